package structure

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of TESTING.md's table of hazards has a test of its number, and no test
// has a number that is not in the table.
func TestEveryHazardHasItsTest(t *testing.T) {
	text, err := os.ReadFile("../../TESTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Hazards\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(table, -1) {
		rows[strings.Repeat("0", max(0, 2-len(m[1])))+m[1]] = true
	}
	if len(rows) < 51 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	tested := make(map[string]bool)
	name := regexp.MustCompile(`(?m)^func TestHazard((?:\d\d_)+)`)
	err = filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range name.FindAllStringSubmatch(string(b), -1) {
			for number := range strings.SplitSeq(strings.TrimSuffix(m[1], "_"), "_") {
				tested[number] = true
				if !rows[number] {
					t.Errorf("%s: there is no hazard %s", path, number)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for number := range rows {
		if !tested[number] {
			t.Errorf("hazard %s has no test", number)
		}
	}
}
