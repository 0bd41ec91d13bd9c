package main

import (
	"os"
	"strings"
	"testing"
)

func Example() {
	main()
	// Output: orders: 30
}

// The README shows this program: it must be the one that compiles.
func TestReadmeShowsThisProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(source), "\ntype Counter")
	if !strings.Contains(string(readme), "type Counter"+program) {
		t.Error("README.md does not show examples/counter/main.go as it is: copy it, from `type Counter` to the end")
	}
}
