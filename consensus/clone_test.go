package consensus

import (
	"math/rand"
	"reflect"
	"regexp"
	"testing"
	"unsafe"
)

// fill makes everything in v that can be reached other than zero: slices have
// one element, pointers something behind them.
func fill(v reflect.Value) {
	v = writable(v)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1)
	}
}

// writable opens an unexported field.
func writable(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// leaves calls f with each scalar that can be reached from v, and its path.
func leaves(v reflect.Value, path string, f func(path string, v reflect.Value)) {
	v = writable(v)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, f)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			leaves(v.Index(i), path, f)
		}
	case reflect.Pointer:
		leaves(v.Elem(), path, f)
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint8, reflect.Uint64:
		f(path, v)
	}
}

func filledCore() *Core {
	c := &Core{}
	fill(reflect.ValueOf(c).Elem())
	c.log.memory.head = 0
	c.peers[0].Inflights.Reset()
	c.peers[0].Inflights.Add(1, 1)
	c.tickets.last = 2
	c.lease.opened = len(c.lease.rounds)
	return c
}

// notInFingerprint is what does not decide how a member goes on, or follows
// from what is told.
var notInFingerprint = regexp.MustCompile(`^\.(cfg\..*|scratch|log\.memoryBytes|log\.memory\.(head|count|buffer.*)|stateTicket|peers\.(before|heardAt)|.*\.Entries\.Index|.*Inflights.*)$`)

// TestFingerprintTellsEverything: whatever changes in a member changes its
// fingerprint, also what somebody adds tomorrow.
func TestFingerprintTellsEverything(t *testing.T) {
	c := filledCore()
	before := string(c.AppendFingerprint(nil))
	leaves(reflect.ValueOf(c).Elem(), "", func(path string, v reflect.Value) {
		if notInFingerprint.MatchString(path) {
			return
		}
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		switch v.Kind() {
		case reflect.Bool:
			v.SetBool(false)
		case reflect.Int, reflect.Int64:
			v.SetInt(0)
		default:
			v.SetUint(0)
		}
		if string(c.AppendFingerprint(nil)) == before {
			t.Errorf("the fingerprint does not tell %s", path)
		}
		v.Set(old)
	})
	c.log.memory.at(0).Data[0]++
	c.peers[0].Inflights.Add(2, 5)
	if after := string(c.AppendFingerprint(nil)); after == before {
		t.Error("the fingerprint does not tell entries nor what is on its way")
	}
}

// sharedOnPurpose never changes once it is made.
var sharedOnPurpose = regexp.MustCompile(`^\.(configs\.config|install|.*\.Data|.*message\.Entries|.*message\.Snapshot|outbox\.(Entries|Snapshot))$`)

// TestCloneSharesNothing: no slice of a clone is the original's, and no pointer
// to what may change.
func TestCloneSharesNothing(t *testing.T) {
	c := filledCore()
	d := c.Clone(nil)
	var compare func(a, b reflect.Value, path string)
	compare = func(a, b reflect.Value, path string) {
		if sharedOnPurpose.MatchString(path) {
			return
		}
		a, b = writable(a), writable(b)
		switch a.Kind() {
		case reflect.Struct:
			for i := range a.NumField() {
				compare(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)
			}
		case reflect.Slice:
			if a.Len() > 0 && a.Pointer() == b.Pointer() {
				t.Errorf("the clone shares %s", path)
			}
			for i := range min(a.Len(), b.Len()) {
				compare(a.Index(i), b.Index(i), path)
			}
		case reflect.Pointer:
			if a.Pointer() == b.Pointer() {
				t.Errorf("the clone shares %s", path)
			}
		}
	}
	compare(reflect.ValueOf(c).Elem(), reflect.ValueOf(d).Elem(), "")
	if string(c.AppendFingerprint(nil)) != string(d.AppendFingerprint(nil)) {
		t.Error("the clone has another fingerprint")
	}
}

// TestClonesGoOnAlike: at random moments of a random schedule, a clone takes the
// place of a member; the promises of Raft and the progress at the end hold as ever.
func TestClonesGoOnAlike(t *testing.T) {
	for seed := int64(1); seed <= 20; seed++ {
		c := newCluster(seed)
		moments := rand.New(rand.NewSource(seed))
		c.beforeStep = func() {
			n := c.nodes[c.ids[moments.Intn(len(c.ids))]]
			if n.up() && moments.Intn(4) == 0 {
				clone := n.core.Clone(&n.disk)
				if string(clone.AppendFingerprint(nil)) != string(n.core.AppendFingerprint(nil)) {
					c.fail("member %d: the clone has another fingerprint", n.id)
				}
				n.core.Campaign() // whatever happens to the original
				n.core.Tick(c.now)
				n.core = clone
			}
		}
		if c.run(1000); c.failure == nil {
			c.heal()
		}
		if c.failure != nil {
			t.Fatalf("seed %d: %v", seed, c.failure)
		}
	}
}
