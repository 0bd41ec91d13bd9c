package group

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

const (
	maxTypeName      = 200 // bytes, as for a group's name
	maxOperationName = 100 // bytes; the length travels as one byte
)

func quote(s string) string { return strconv.Quote(s) }

// checkName accepts 1..max bytes of printable UTF-8 without spaces at the ends.
func checkName(name string, max int) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty: give 1 to %d bytes", max)
	case len(name) > max:
		return fmt.Errorf("the name has %d bytes: give 1 to %d", len(name), max)
	case !utf8.ValidString(name):
		return fmt.Errorf("the name is not valid UTF-8")
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("the name contains %q: use printable characters", r)
		}
	}
	if name[0] == ' ' || name[len(name)-1] == ' ' {
		return fmt.Errorf("the name begins or ends with a space")
	}
	return nil
}

// CheckName reports what is wrong with the name of a group.
func CheckName(name string) error { return checkName(name, maxTypeName) }

// mustBeName is for definitions at program start, where a wrong name is a bug of the program.
func mustBeName(function, what, name string, max int) {
	if err := checkName(name, max); err != nil {
		panic(fmt.Sprintf("group.%s: %s %q: %v", function, what, name, err))
	}
}
