package catalogue

import (
	"maps"
	"slices"
)

// DropArchive drops the archive of a removed group for ever. Refused with
// ErrInvalid and ErrNoArchive.
type DropArchive struct {
	Name string
}

func (d *DropArchive) kind() kind      { return kindDropArchive }
func (d *DropArchive) fields(c *coder) { c.string(&d.Name, MaxName) }
func (d *DropArchive) check() error    { return checkName("name", d.Name) }

func (d *DropArchive) apply(m *Machine, _ moment) (func(*coder), error) {
	if _, ok := m.archives[d.Name]; !ok {
		return nil, refuse(ErrNoArchive, "nothing is archived as %q: list the archives for their names", d.Name)
	}
	delete(m.archives, d.Name)
	return nothing, nil
}

// nothing is the result of commands that have none.
func nothing(c *coder) { c.version(resultVersion) }

// SetSettings sets small fleet-wide values by key; an empty value removes the
// key. Keys that are not given stay as they are. Refused with ErrInvalid and
// ErrLimit.
type SetSettings struct {
	Settings map[string]string
}

func (s *SetSettings) kind() kind { return kindSetSettings }

func (s *SetSettings) fields(c *coder) {
	settings := sortedSettings(s.Settings)
	list(c, &settings, MaxSettings, func(c *coder, one *setting) { one.fields(c) })
	if c.dec != nil && c.err == nil {
		s.Settings = make(map[string]string, len(settings))
		for _, one := range settings {
			s.Settings[one.key] = one.value
		}
	}
}

func (s *SetSettings) check() error {
	if len(s.Settings) > MaxSettings {
		return refuse(ErrInvalid, "settings are %d: give at most %d", len(s.Settings), MaxSettings)
	}
	for _, one := range sortedSettings(s.Settings) { // sorted, so that all refuse for the same one
		if err := firstError(checkName("setting", one.key), checkText("value of "+one.key, one.value, MaxSetting)); err != nil {
			return err
		}
	}
	return nil
}

func (s *SetSettings) apply(m *Machine, _ moment) (func(*coder), error) {
	next := maps.Clone(m.settings)
	for key, value := range s.Settings {
		if value == "" {
			delete(next, key)
		} else {
			next[key] = value
		}
	}
	if len(next) > MaxSettings {
		return nil, refuse(ErrLimit, "the fleet would have %d settings, at most %d are possible: remove some first", len(next), MaxSettings)
	}
	m.settings = next
	return nothing, nil
}

func sortedSettings(m map[string]string) []setting {
	var sorted []setting
	for _, key := range slices.Sorted(maps.Keys(m)) {
		sorted = append(sorted, setting{key, m[key]})
	}
	return sorted
}
