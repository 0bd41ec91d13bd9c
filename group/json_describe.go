package group

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// maxDescription is how deep describeJSON looks into a type.
const maxDescription = 4

// describeJSON says what JSON a Go type reads and writes, for people.
func describeJSON(t reflect.Type) string {
	if t == reflect.TypeFor[None]() {
		return "none"
	}
	return describeJSONType(t, 0)
}

func describeJSONType(t reflect.Type, depth int) string {
	if t == timeType {
		return "RFC 3339 time"
	}
	for _, pointer := range []reflect.Type{t, reflect.PointerTo(t)} {
		if pointer.Implements(reflect.TypeFor[json.Marshaler]()) {
			return t.String()
		}
		if pointer.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
			return "string (" + t.String() + ")"
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "integer"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer >= 0"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String:
		return "string"
	case reflect.Interface:
		return "anything"
	case reflect.Pointer:
		return describeJSONType(t.Elem(), depth)
	}
	if depth >= maxDescription {
		return "…"
	}
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "base64 string"
		}
		return "[" + describeJSONType(t.Elem(), depth+1) + ", …]"
	case reflect.Array:
		return fmt.Sprintf("[%d × %s]", t.Len(), describeJSONType(t.Elem(), depth+1))
	case reflect.Map:
		return "{string: " + describeJSONType(t.Elem(), depth+1) + ", …}"
	case reflect.Struct:
		return "{" + strings.Join(describeJSONFields(t, depth), ", ") + "}"
	default:
		return t.String()
	}
}

func describeJSONFields(t reflect.Type, depth int) []string {
	var fields []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		embedded := f.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		switch {
		case name == "-" && options == "":
			continue
		case f.Anonymous && name == "" && embedded.Kind() == reflect.Struct:
			if depth < maxDescription {
				fields = append(fields, describeJSONFields(embedded, depth+1)...)
			}
			continue
		case !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		fields = append(fields, fmt.Sprintf("%q: %s", name, describeJSONType(f.Type, depth+1)))
	}
	return fields
}
