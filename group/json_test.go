package group

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

type jsonArgument struct {
	Name  string         `json:"name"`
	Count int64          `json:"count"`
	Big   uint64         `json:"big"`
	Data  []byte         `json:"data"`
	At    time.Time      `json:"at"`
	Free  map[string]any `json:"free"`
}

func newJSONType() *Definition[tally] {
	d := Define("json", func() *tally { return &tally{} })
	Command(d, "echo", func(_ *tally, a jsonArgument) (jsonArgument, error) { return a, nil })
	Command(d, "fail", func(_ *tally, text string) (None, error) { return None{}, errors.New(text) })
	Command(d, "nothing", func(*tally, None) (None, error) { return None{}, nil })
	Query(d, "length", func(_ *tally, text string) (int, error) { return len(text), nil })
	return d
}

func TestCallJSONIsExact(t *testing.T) {
	ctx, d := context.Background(), newJSONType()
	c := &machineCaller{machine: d.NewMachine()}
	in := `{"name":"<a&b>","count":9223372036854775807,"big":18446744073709551615,"data":"AAEC","at":"2026-01-02T03:04:05.678Z","free":{"a":9007199254740993,"b":[1.5,-9007199254740993,18446744073709551615,true,null,"x"]}}`
	out, err := CallJSON(ctx, c, d, "g", "echo", []byte(in), false)
	if err != nil || string(out) != in {
		t.Fatalf("%v\n%s\n%s", err, in, out)
	}
	for _, body := range []string{"", " \n", "null", "{}"} {
		if out, err := CallJSON(ctx, c, d, "g", "nothing", []byte(body), false); err != nil || string(out) != "{}" {
			t.Errorf("no argument as %q: %s, %v", body, out, err)
		}
	}
	if out, err := CallJSON(ctx, c, d, "g", "length", []byte(`"four"`), true); err != nil || string(out) != "4" {
		t.Errorf("a query: %s, %v", out, err)
	}
	if out, err := CallJSON(ctx, c, d, "g", "length", nil, true); err != nil || string(out) != "0" {
		t.Errorf("the zero argument: %s, %v", out, err)
	}
	var machine *MachineError
	if _, err := CallJSON(ctx, c, d, "g", "fail", []byte(`"why"`), false); !errors.As(err, &machine) || machine.Op != "fail" || machine.Text != "why" {
		t.Errorf("a machine's error: %v", err)
	}
}

func TestCallJSONSaysWhatIsWrong(t *testing.T) {
	ctx, d := context.Background(), newJSONType()
	c := &machineCaller{machine: d.NewMachine()}
	for _, test := range []struct {
		op, body string
		query    bool
		sentinel error
		want     string
	}{
		{"echo", `{"name": "a",` + "\n" + `  "count": 1.5}`, false, ErrInvalidArgument, `JSON line 2, column 14: field "count": found number 1.5, which is not integer`},
		{"echo", `{"name": 5}`, false, ErrInvalidArgument, `field "name": found number, which is not string`},
		{"echo", `{"nam": "a"}`, false, ErrInvalidArgument, `unknown field "nam"; want {"name": string, "count": integer, "big": integer >= 0, "data": base64 string, "at": RFC 3339 time, "free": {string: anything, …}}`},
		{"echo", `{"name": "a"`, false, ErrInvalidArgument, `line 1, column 12`},
		{"echo", `{"name" "a"}`, false, ErrInvalidArgument, `column 9: invalid character '"' after object key`},
		{"echo", `{} {}`, false, ErrInvalidArgument, `more after the end`},
		{"echo", `[]`, false, ErrInvalidArgument, `found array`},
		{"nothing", `{"a":1}`, false, ErrInvalidArgument, `want none`},
		{"nothing", `5`, false, ErrInvalidArgument, `want none`},
		{"length", `"x"`, false, ErrUnknownOperation, `"length" of type "json" (group "g") is a query, not a command`},
		{"echo", ``, true, ErrUnknownOperation, `is a command, not a query`},
		{"ecco", ``, false, ErrUnknownOperation, `its commands: echo, fail, nothing`},
		{"ecco", ``, true, ErrUnknownOperation, `its queries: length`},
	} {
		_, err := CallJSON(ctx, c, d, "g", test.op, []byte(test.body), test.query)
		if !errors.Is(err, test.sentinel) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s:\n %v\nwant\n %s", test.op, test.body, err, test.want)
		}
	}
	if c.index != 0 {
		t.Errorf("%d commands were sent", c.index)
	}
}

func TestOperationsOfATypeWithoutCommandsOfAKind(t *testing.T) {
	d := Define("empty", func() *tally { return &tally{} })
	if _, err := CallJSON(context.Background(), nil, d, "g", "x", nil, true); err == nil || !strings.Contains(err.Error(), "its queries: none") {
		t.Fatal(err)
	}
	if got := Operations(d); len(got) != 0 {
		t.Fatal(got)
	}
}

type jsonTree struct {
	Children []jsonTree         `json:"children"`
	ByName   map[string]float64 `json:"by_name"`
	Fixed    [2]bool            `json:"fixed"`
	Hidden   int                `json:"-"`
	Number   json.Number        `json:"number"`
	Limit    *uint              `json:"limit,omitempty"`
	tallyAdd
	unexported int
}

func TestDescribeJSONEnds(t *testing.T) {
	_ = jsonTree{}.unexported
	d := Define("tree", func() *tally { return &tally{} })
	Query(d, "tree", func(*tally, None) ([]string, error) { return nil, nil })
	info := Operations(d)[0]
	if info.Argument != "none" || info.Result != "[string, …]" {
		t.Fatal(info)
	}
	got := describeJSON(reflect.TypeFor[jsonTree]())
	for _, want := range []string{`"children": [{`, "…", `"by_name": {string: number, …}`, `"fixed": [2 × true or false]`, `"limit": integer >= 0`, `"Name": string`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
	for _, not := range []string{"Hidden", "unexported"} {
		if strings.Contains(got, not) {
			t.Errorf("%s\nhas %s", got, not)
		}
	}
}

func FuzzCallJSON(f *testing.F) {
	d := newJSONType()
	ctx := context.Background()
	seeds := fuzzseeds.Seeds{}
	for name, b := range fuzzseeds.Damaged("object", []byte(`{"name":"a","count":1,"at":"2026-01-02T03:04:05.678Z","data":"AAEC","free":{"x":[1,{"y":2}]}}`)) {
		seeds.Add(name, "echo", b, false)
	}
	seeds.Add("empty", "nothing", []byte{}, false)
	seeds.Add("query", "length", []byte(`"x"`), true)
	seeds.Add("failing", "fail", []byte(`"why"`), false)
	seeds.Add("unknown-operation", "ecco", []byte(`{}`), false)
	seeds.Add("number-too-large", "echo", []byte(`{"big":18446744073709551616}`), false)
	seeds.Add("number-of-many-digits", "echo", []byte(`{"free":{"x":1e999999999}}`), false)
	seeds.Add("half-a-surrogate", "echo", []byte(`{"name":"\ud800"}`), false)
	seeds.Add("not-utf8", "echo", []byte("{\"name\":\"\xff\"}"), false)
	seeds.Add("nested-deep", "echo", []byte(`{"free":{"x":`+strings.Repeat("[", 2000)), false)
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, op string, body []byte, query bool) {
		c := &machineCaller{machine: d.NewMachine()}
		out, err := CallJSON(ctx, c, d, "g", op, body, query)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%s %s: %s is not JSON", op, body, out)
		}
		if op != "echo" {
			return
		}
		again, err := CallJSON(ctx, c, d, "g", op, out, query)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("echo of %s: %v\n%s\n%s", body, err, out, again)
		}
	})
}
