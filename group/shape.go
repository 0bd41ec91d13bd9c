package group

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// shape is what a type is made of, as far as its encoding is concerned.
type shape struct {
	maps       bool // the library encodes it in random order
	times      bool // the library decodes it into the node's time zone
	interfaces bool
	custom     bool // encodes itself
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	encoderTypes = []reflect.Type{
		reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.Marshaler](),
		reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.TextMarshaler](),
	}
)

// shapeOf looks through a type and says what in it can not be replicated. A state has to come out of a snapshot as it
// went in, so the rules are stricter for it than for arguments and results, which all members see decoded.
func shapeOf(t reflect.Type, state bool) (shape, error) {
	w := shapeWalker{state: state, seen: map[seenType]bool{}}
	err := w.walk(t, typeName(t), true)
	return w.shape, err
}

type shapeWalker struct {
	shape
	state bool
	seen  map[seenType]bool
}

type seenType struct {
	t           reflect.Type
	addressable bool
}

// walk visits t, which is found at path. addressable tells whether the encoder can take its address.
func (w *shapeWalker) walk(t reflect.Type, path string, addressable bool) error {
	if t == timeType {
		w.times = true
		return nil
	}
	for _, encoder := range encoderTypes {
		if t.Implements(encoder) {
			w.custom = true
			return nil
		}
		if t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(encoder) {
			if !addressable {
				return fmt.Errorf("%s: %s encodes itself through a pointer, which a map's entry does not have: put *%s there", path, t, t)
			}
			w.custom = true
			return nil
		}
	}
	if w.seen[seenType{t, addressable}] {
		return nil
	}
	w.seen[seenType{t, addressable}] = true

	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr, reflect.Complex64, reflect.Complex128:
		return fmt.Errorf("%s: a %s can not be encoded: leave it out with the tag `msgpack:\"-\"`", path, t.Kind())
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("%s: %s can not be decoded: use a concrete type", path, t)
		}
		if w.state {
			return fmt.Errorf("%s: a snapshot does not keep the Go type of what is in an interface, so members would differ: use a concrete type", path)
		}
		w.interfaces = true
	case reflect.Pointer:
		return w.walk(t.Elem(), path, true)
	case reflect.Slice:
		return w.walk(t.Elem(), path+"[]", true)
	case reflect.Array:
		return w.walk(t.Elem(), path+"[]", addressable)
	case reflect.Map:
		w.maps = true
		if t.Key().Kind() == reflect.Pointer {
			return fmt.Errorf("%s: a pointer as a map's key is another key after decoding: use the value", path)
		}
		if err := w.walk(t.Key(), path+"[key]", false); err != nil {
			return err
		}
		return w.walk(t.Elem(), path+"[]", false)
	case reflect.Struct:
		return w.fields(t, path, addressable)
	}
	return nil
}

func (w *shapeWalker) fields(t reflect.Type, path string, addressable bool) error {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("msgpack"), ",")
		if name == "-" || f.Name == "_msgpack" {
			continue
		}
		at := path + "." + f.Name
		has := func(option string) bool { return slices.Contains(strings.Split(options, ","), option) }
		switch {
		case !f.IsExported() && f.Anonymous && f.Type.Kind() == reflect.Pointer:
			return fmt.Errorf("%s: an embedded pointer to an unexported struct can not be decoded: export it or embed the struct", at)
		case !f.IsExported() && !f.Anonymous:
			return fmt.Errorf("%s: an unexported field is not encoded: export it, or say that it may be lost with the tag `msgpack:\"-\"`", at)
		case has("intern"):
			return fmt.Errorf("%s: the tag option intern depends on the order of encoding: remove it", at)
		case w.state && has("omitempty") && f.Type.Kind() == reflect.Map:
			return fmt.Errorf("%s: with omitempty an empty map is nil after a snapshot: remove the option", at)
		}
		if err := w.walk(f.Type, at, addressable); err != nil {
			return err
		}
	}
	return nil
}

// normalize makes what was decoded alike on every node: times are in UTC. With numbers set it also turns the
// json.Number in interfaces into int64, uint64 or float64. v must be settable.
func (s shape) normalize(v reflect.Value, numbers bool) {
	if s.times || s.interfaces {
		normalizeValue(v, numbers)
	}
}

func normalizeValue(v reflect.Value, numbers bool) {
	t := v.Type()
	if t == timeType {
		v.Set(reflect.ValueOf(v.Interface().(time.Time).UTC()))
		return
	}
	switch t.Kind() {
	case reflect.Interface:
		if !v.IsNil() && v.CanSet() {
			v.Set(normalizeDynamic(v.Elem(), numbers))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			normalizeValue(v.Elem(), numbers)
		}
	case reflect.Slice, reflect.Array:
		if isFlat(t.Elem()) {
			return
		}
		for i := range v.Len() {
			normalizeValue(v.Index(i), numbers)
		}
	case reflect.Map:
		if isFlat(t.Key()) && isFlat(t.Elem()) {
			return
		}
		normalizeMap(v, numbers)
	case reflect.Struct:
		for i := range t.NumField() {
			// The exported fields of an embedded struct can be set even if the struct is not exported.
			if f := v.Field(i); f.CanSet() || t.Field(i).Anonymous && f.Kind() == reflect.Struct {
				normalizeValue(f, numbers)
			}
		}
	}
}

func normalizeMap(v reflect.Value, numbers bool) {
	type entry struct{ key, value reflect.Value }
	entries := make([]entry, 0, v.Len())
	for i := v.MapRange(); i.Next(); {
		e := entry{reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()}
		e.key.Set(i.Key())
		e.value.Set(i.Value())
		normalizeValue(e.key, numbers)
		normalizeValue(e.value, numbers)
		entries = append(entries, e)
	}
	v.Clear() // a time in another zone is another key
	for _, e := range entries {
		v.SetMapIndex(e.key, e.value)
	}
}

// normalizeDynamic normalizes what an interface holds, which can not be set in place.
func normalizeDynamic(v reflect.Value, numbers bool) reflect.Value {
	if numbers {
		if n, ok := v.Interface().(jsonNumber); ok {
			return reflect.ValueOf(exactNumber(n))
		}
	}
	if isFlat(v.Type()) {
		return v
	}
	settable := reflect.New(v.Type()).Elem()
	settable.Set(v)
	normalizeValue(settable, numbers)
	return settable
}

func isFlat(t reflect.Type) bool { return t.Kind() <= reflect.Complex128 || t.Kind() == reflect.String }

// typeName is how messages call a type; what follows it in them is a path of fields.
func typeName(t reflect.Type) string { return t.String() }
