//go:build !linux

package wal

func (f osFile) datasync() error { return f.File.Sync() }

// reserve does nothing: the zeros that follow take the space.
func (f osFile) reserve(from, n int64) error { return nil }
