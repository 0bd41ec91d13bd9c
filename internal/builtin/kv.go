package builtin

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/google/btree"

	"github.com/raftfleet/raftfleet/group"
)

// Limits of a store. Keys and values are UTF-8, so that JSON shows them as they are.
const (
	MaxKeyBytes   = 1 << 10
	MaxValueBytes = 1 << 20
	// DefaultListLimit and MaxListLimit bound the items of one List, MaxListBytes what they weigh together.
	DefaultListLimit = 100
	MaxListLimit     = 1000
	MaxListBytes     = 1 << 20
)

var (
	// ErrKey is returned for a key that is empty, longer than MaxKeyBytes or not UTF-8.
	ErrKey = errors.New("the key must be 1 to 1024 bytes of UTF-8")
	// ErrValue is returned for a value longer than MaxValueBytes or not UTF-8.
	ErrValue = errors.New("the value must be at most 1048576 bytes of UTF-8")
	// ErrExpectation is returned by CompareAndSet unless exactly one expectation is given.
	ErrExpectation = errors.New("give either expect_version (0: the key must not exist) or expect_value")
)

// Store is the state of a group of type "kv".
type Store struct {
	items    *btree.BTreeG[*storeItem]
	revision uint64 // counts changes; a version is never given twice, not even to a key that was deleted
}

// storeItem is immutable once it is in the tree: snapshots share it.
type storeItem struct {
	key, value string
	version    uint64
}

func newStore() *Store {
	return &Store{items: btree.NewG(32, func(a, b *storeItem) bool { return a.key < b.key })}
}

// Stores is the type "kv": a sorted map from string to string.
var Stores = group.Define("kv", newStore).Errors(ErrKey, ErrValue, ErrExpectation)

// PutArgument is what Put takes.
type PutArgument struct {
	Key   string `json:"key" msgpack:"k"`
	Value string `json:"value" msgpack:"v"`
}

// PutResult is what Put answers.
type PutResult struct {
	// Version is the key's new version. Versions grow with every change of the store.
	Version uint64 `json:"version" msgpack:"n"`
}

// Put sets a key.
var Put = group.Command(Stores, "put", func(s *Store, a PutArgument) (PutResult, error) {
	if err := checkItem(a.Key, a.Value); err != nil {
		return PutResult{}, err
	}
	return PutResult{Version: s.set(a.Key, a.Value)}, nil
})

// KeyArgument names a key.
type KeyArgument struct {
	Key string `json:"key" msgpack:"k"`
}

// Item is a key with its value, as Read answers it. Found is false, and the rest empty, when there is no such key.
type Item struct {
	Key     string `json:"key" msgpack:"k"`
	Value   string `json:"value" msgpack:"v"`
	Found   bool   `json:"found" msgpack:"f"`
	Version uint64 `json:"version" msgpack:"n"`
}

// Read gets a key: the operation "get".
var Read = group.Query(Stores, "get", func(s *Store, a KeyArgument) (Item, error) {
	if err := checkKey(a.Key); err != nil {
		return Item{}, err
	}
	return s.get(a.Key), nil
})

// DeleteResult is what Delete answers.
type DeleteResult struct {
	// Deleted tells whether there was such a key.
	Deleted bool `json:"deleted" msgpack:"d"`
}

// Delete removes a key.
var Delete = group.Command(Stores, "delete", func(s *Store, a KeyArgument) (DeleteResult, error) {
	if err := checkKey(a.Key); err != nil {
		return DeleteResult{}, err
	}
	_, found := s.items.Delete(&storeItem{key: a.Key})
	if found {
		s.revision++
	}
	return DeleteResult{Deleted: found}, nil
})

// CompareAndSetArgument is what CompareAndSet takes: exactly one of the expectations.
type CompareAndSetArgument struct {
	Key           string  `json:"key" msgpack:"k"`
	ExpectVersion *uint64 `json:"expect_version,omitempty" msgpack:"n"`
	ExpectValue   *string `json:"expect_value,omitempty" msgpack:"e"`
	Value         string  `json:"value" msgpack:"v"`
}

// CompareAndSetResult tells whether the value was set, and what the key is now.
type CompareAndSetResult struct {
	Swapped bool `json:"swapped" msgpack:"s"`
	Current Item `json:"current" msgpack:"c"`
}

// CompareAndSet sets a key if it is as expected: the operation "cas".
var CompareAndSet = group.Command(Stores, "cas", func(s *Store, a CompareAndSetArgument) (CompareAndSetResult, error) {
	if err := checkItem(a.Key, a.Value); err != nil {
		return CompareAndSetResult{}, err
	}
	if (a.ExpectVersion == nil) == (a.ExpectValue == nil) {
		return CompareAndSetResult{}, ErrExpectation
	}
	current := s.get(a.Key)
	asExpected := a.ExpectVersion != nil && *a.ExpectVersion == current.Version ||
		a.ExpectValue != nil && current.Found && *a.ExpectValue == current.Value
	if !asExpected {
		return CompareAndSetResult{Current: current}, nil
	}
	s.set(a.Key, a.Value)
	return CompareAndSetResult{Swapped: true, Current: s.get(a.Key)}, nil
})

// ListArgument is what List takes.
type ListArgument struct {
	// Prefix selects keys; empty selects all.
	Prefix string `json:"prefix" msgpack:"p"`
	// After is the last key of the page before, empty for the first one.
	After string `json:"after" msgpack:"a"`
	// Limit bounds the items, 0 means DefaultListLimit.
	Limit int `json:"limit" msgpack:"l"`
}

// ListResult is a page of items in the order of their keys.
type ListResult struct {
	Items []Item `json:"items" msgpack:"i"`
	// More tells that there are more: ask again with After set to the last key.
	More bool `json:"more" msgpack:"m"`
}

// List returns the items whose keys have a prefix.
var List = group.Query(Stores, "list", func(s *Store, a ListArgument) (ListResult, error) {
	limit := a.Limit
	if limit <= 0 {
		limit = DefaultListLimit
	}
	limit = min(limit, MaxListLimit)
	result := ListResult{Items: []Item{}}
	weight := 0
	s.items.AscendGreaterOrEqual(&storeItem{key: max(a.Prefix, a.After)}, func(i *storeItem) bool {
		if !strings.HasPrefix(i.key, a.Prefix) {
			return false // keys with the prefix lie together, and the walk began at the first of them
		}
		if i.key == a.After && a.After != "" {
			return true
		}
		weight += len(i.key) + len(i.value)
		if len(result.Items) >= limit || len(result.Items) > 0 && weight > MaxListBytes {
			result.More = true
			return false
		}
		result.Items = append(result.Items, i.item())
		return true
	})
	return result, nil
})

func (s *Store) get(key string) Item {
	i, found := s.items.Get(&storeItem{key: key})
	if !found {
		return Item{Key: key}
	}
	return i.item()
}

func (s *Store) set(key, value string) (version uint64) {
	s.revision++
	s.items.ReplaceOrInsert(&storeItem{key: key, value: value, version: s.revision})
	return s.revision
}

func (i *storeItem) item() Item {
	return Item{Key: i.key, Value: i.value, Found: true, Version: i.version}
}

func checkKey(key string) error {
	if key == "" || len(key) > MaxKeyBytes || !utf8.ValidString(key) {
		return ErrKey
	}
	return nil
}

func checkItem(key, value string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	if len(value) > MaxValueBytes || !utf8.ValidString(value) {
		return ErrValue
	}
	return nil
}
