package mutants

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// errAlone says that a mutated file differs from its original in more than the
// bodies of functions, so that both cannot stand in one file.
var errAlone = errors.New("more than the bodies of functions is changed")

// variant is one mutant of a file: the number that turns it on, a suffix for the
// names of its functions, and the whole file with the bug in it.
type variant struct {
	number int
	suffix string
	source []byte
}

// declarations are the parts of one parsed file.
type declarations struct {
	source    []byte
	set       *token.FileSet
	file      *ast.File
	functions map[string]*ast.FuncDecl // by receiver's type and name
	others    []string                 // texts of the constants, types and variables
	imports   map[string]string        // text of a specification → its path
}

func declarationsOf(source []byte) (*declarations, error) {
	d := &declarations{source: source, set: token.NewFileSet(), functions: make(map[string]*ast.FuncDecl), imports: make(map[string]string)}
	var err error
	if d.file, err = parser.ParseFile(d.set, "", source, parser.SkipObjectResolution|parser.ParseComments); err != nil {
		return nil, err
	}
	for _, decl := range d.file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			name := key(decl)
			if d.functions[name] != nil || name == "init" || name == "main" || name == "_" || decl.Body == nil {
				// Of these there may be several, or none can stand beside another.
				d.others = append(d.others, d.text(decl))
				continue
			}
			d.functions[name] = decl
		case *ast.GenDecl:
			if decl.Tok != token.IMPORT {
				d.others = append(d.others, d.text(decl))
			}
		}
	}
	for _, spec := range d.file.Imports {
		d.imports[d.text(spec)] = spec.Path.Value
	}
	return d, nil
}

// key names a function within its package.
func key(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	of := f.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.ParenExpr:
			of = t.X
		case *ast.IndexExpr:
			of = t.X
		case *ast.IndexListExpr:
			of = t.X
		case *ast.Ident:
			return t.Name + "." + f.Name.Name
		default:
			return "?." + f.Name.Name // does not compile anyway
		}
	}
}

func (d *declarations) offset(p token.Pos) int { return d.set.Position(p).Offset }

func (d *declarations) text(n ast.Node) string {
	return string(d.source[d.offset(n.Pos()):d.offset(n.End())])
}

// head is a function's text up to its body.
func (d *declarations) head(f *ast.FuncDecl) string {
	return string(d.source[d.offset(f.Pos()):d.offset(f.Body.Lbrace)])
}

// changed returns the functions whose bodies differ from the original's, in the
// order of the file, or errAlone where something else differs.
func (d *declarations) changed(original *declarations) ([]string, error) {
	if !slices.Equal(d.others, original.others) || len(d.functions) != len(original.functions) {
		return nil, errAlone
	}
	var names []string
	for _, decl := range d.file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || d.functions[key(f)] != f {
			continue
		}
		was := original.functions[key(f)]
		switch {
		case was == nil || d.head(f) != original.head(was):
			return nil, errAlone
		case d.text(f) != original.text(was):
			names = append(names, key(f))
		}
	}
	if len(names) == 0 {
		return nil, errAlone // an import alone, or a directive in a comment
	}
	return names, nil
}

// edit replaces a part of a text.
type edit struct {
	from, to int
	text     string
}

// combiner builds one file that holds the original and its variants.
type combiner struct {
	original *declarations
	edits    []edit
	cases    map[string][]variant // by function
	imports  map[string]string    // of variants alone
	tail     strings.Builder
}

func newCombiner(source []byte) (*combiner, error) {
	d, err := declarationsOf(source)
	if err != nil {
		return nil, err
	}
	return &combiner{original: d, cases: make(map[string][]variant), imports: make(map[string]string)}, nil
}

// add takes a variant in, or refuses it with errAlone and is as before.
func (c *combiner) add(v variant) error {
	d, err := declarationsOf(v.source)
	if err != nil {
		return err
	}
	names, err := d.changed(c.original)
	if err != nil {
		return err
	}
	imports := make(map[string]string)
	for text, path := range d.imports {
		if c.original.imports[text] == "" && c.imports[text] == "" {
			if c.takes(localName(text, path)) {
				return errAlone
			}
			imports[text] = path
		}
	}
	for text, path := range imports {
		c.imports[text] = path
	}
	for _, name := range names {
		f := d.functions[name]
		c.cases[name] = append(c.cases[name], v)
		from := d.offset(f.Pos())
		at := d.offset(f.Name.Pos()) - from
		text := d.text(f)
		fmt.Fprintf(&c.tail, "\n%s%s%s\n", text[:at], f.Name.Name+v.suffix, text[at+len(f.Name.Name):])
	}
	return nil
}

// localName is the name under which a file uses an import: as far as it can be
// told without the package; another is found by the compiler.
func localName(text, path string) string {
	if name, _, found := strings.Cut(text, path); found && strings.TrimSpace(name) != "" {
		return strings.TrimSpace(name)
	}
	path = strings.Trim(path, "`\"")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// takes reports whether an import goes by this name already.
func (c *combiner) takes(name string) bool {
	for _, imports := range []map[string]string{c.original.imports, c.imports} {
		for text, path := range imports {
			if localName(text, path) == name {
				return true
			}
		}
	}
	return false
}

// bytes returns the combined file. Each function that has variants asks the
// number in the package of that path first, and is otherwise as it was, on the
// same lines.
func (c *combiner) bytes(switchPath string) []byte {
	d := c.original
	after := d.offset(d.file.Name.End())
	header := fmt.Sprintf("; import %s %q", switchName, switchPath)
	for text := range c.imports {
		header += "; import " + text
	}
	c.edits = append(c.edits, edit{after, after, header})
	for name, variants := range c.cases {
		c.dispatch(d.functions[name], variants)
	}
	slices.SortFunc(c.edits, func(a, b edit) int { return a.from - b.from })
	var out []byte
	at := 0
	for _, e := range c.edits {
		out = append(append(out, d.source[at:e.from]...), e.text...)
		at = e.to
	}
	out = append(out, d.source[at:]...)
	return append(out, c.tail.String()...)
}

// switchName is how combined files call the package with the number, and begins
// the names that they make up.
const switchName = "planted__"

// dispatch has a function call the variant that is on.
func (c *combiner) dispatch(f *ast.FuncDecl, variants []variant) {
	callee := ""
	if f.Recv != nil {
		callee = c.named(f.Recv, "r")[0] + "."
	}
	callee += f.Name.Name
	arguments := ""
	if f.Type.TypeParams != nil {
		arguments = "[" + strings.Join(c.named(f.Type.TypeParams, "T"), ", ") + "]"
	}
	arguments += "(" + strings.Join(c.named(f.Type.Params, "p"), ", ")
	if n := len(f.Type.Params.List); n > 0 {
		if _, variadic := f.Type.Params.List[n-1].Type.(*ast.Ellipsis); variadic {
			arguments += "..."
		}
	}
	arguments += ")"
	text := " switch " + switchName + ".Bug {"
	for _, v := range variants {
		call := callee + v.suffix + arguments
		if f.Type.Results != nil {
			text += fmt.Sprintf(" case %d: return %s;", v.number, call)
		} else {
			text += fmt.Sprintf(" case %d: %s; return;", v.number, call)
		}
	}
	at := c.original.offset(f.Body.Lbrace) + 1
	c.edits = append(c.edits, edit{at, at, text + " };"})
}

// named returns the names of parameters, and gives those one that have none.
func (c *combiner) named(fields *ast.FieldList, letter string) []string {
	var names []string
	for _, field := range fields.List {
		if len(field.Names) == 0 {
			name := fmt.Sprintf("%s%s%d", switchName, letter, len(names))
			at := c.original.offset(field.Type.Pos())
			c.edits = append(c.edits, edit{at, at, name + " "})
			names = append(names, name)
		}
		for _, ident := range field.Names {
			name := ident.Name
			if name == "_" {
				name = fmt.Sprintf("%s%s%d", switchName, letter, len(names))
				at := c.original.offset(ident.Pos())
				c.edits = append(c.edits, edit{at, at + 1, name})
			}
			names = append(names, name)
		}
	}
	return names
}
