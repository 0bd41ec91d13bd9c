package consensus

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The stories in testdata are in the format of github.com/cockroachdb/datadriven:
// comments, an order with arguments such as key=value or key=(a,b), a line of
// four dashes, and what the order must show, up to an empty line.

var rewriteStories = flag.Bool("rewrite", false, "write what the stories show into testdata")

// order is one order of a story.
type order struct {
	Pos     string
	Cmd     string
	CmdArgs []orderArg
}

type orderArg struct {
	Key  string
	Vals []string
}

func (o *order) HasArg(key string) bool {
	for _, arg := range o.CmdArgs {
		if arg.Key == key {
			return true
		}
	}
	return false
}

// values gives the values of an argument, nil if it is not there.
func (o *order) values(key string) []string {
	for _, arg := range o.CmdArgs {
		if arg.Key == key {
			return arg.Vals
		}
	}
	return nil
}

// parseOrder reads "cmd key key=value key=(a,b)".
func parseOrder(line, pos string) *order {
	fields := strings.Fields(line)
	o := &order{Pos: pos, Cmd: fields[0]}
	for _, field := range fields[1:] {
		key, values, found := strings.Cut(field, "=")
		arg := orderArg{Key: key}
		if found {
			arg.Vals = strings.Split(strings.Trim(values, "()"), ",")
		}
		o.CmdArgs = append(o.CmdArgs, arg)
	}
	return o
}

// eachStory runs a subtest for every file in a folder.
func eachStory(t *testing.T, folder string, run func(t *testing.T, path string)) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no stories in %s: %v", folder, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { run(t, path) })
	}
}

// runStory carries out the orders of a file and compares what they show.
func runStory(t *testing.T, path string, obey func(o *order) string) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if line == "" || strings.HasPrefix(line, "#") {
			if i < len(lines)-1 {
				told.WriteString(line + "\n")
			}
			continue
		}
		o := parseOrder(line, fmt.Sprintf("%s:%d", path, i+1))
		var expected strings.Builder
		if i+1 < len(lines) && lines[i+1] == "----" {
			for i += 2; i < len(lines) && lines[i] != ""; i++ {
				expected.WriteString(lines[i] + "\n")
			}
			i--
		}
		shown := obey(o)
		if !*rewriteStories && shown != expected.String() {
			t.Fatalf("%s: %s\nshows:\n%sexpected:\n%s", o.Pos, line, shown, expected.String())
		}
		told.WriteString(line + "\n----\n" + shown)
	}
	if *rewriteStories {
		if err := os.WriteFile(path, []byte(told.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
