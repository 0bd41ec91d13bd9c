package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// prepareSnapshots makes the snapshots folder and removes from it what a crash
// left: temporary files, files whose record was never written, files whose record
// was replaced. It runs before anybody can read or write a snapshot.
func (d *disk) prepareSnapshots() error {
	folder := filepath.Join(d.dir, snapshotsName)
	if err := os.Mkdir(folder, 0o700); err == nil {
		err = syncFolder(d.dir)
		if err != nil {
			return fmt.Errorf("sync %s: %w", d.dir, err)
		}
	} else if !errors.Is(err, os.ErrExist) {
		return folderError(d.dir, err)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		return folderError(folder, err)
	}
	needed, unsure, err := d.referenced()
	if err != nil {
		return err
	}
	removed := 0
	for _, f := range files {
		k, temporary, ours := parseBodyName(f.Name())
		if !ours {
			d.log.Warn("a stranger among the snapshots is left alone", "file", filepath.Join(folder, f.Name()))
			continue
		}
		if !temporary && (needed[f.Name()] || unsure[k]) {
			continue
		}
		if err := os.Remove(filepath.Join(folder, f.Name())); err != nil {
			return folderError(folder, err)
		}
		removed++
	}
	if removed > 0 {
		d.log.Info("removed unfinished and replaced snapshots", "files", removed)
	}
	return nil
}

// referenced returns the files that snapshot records name, and the members whose
// record is damaged: nothing of theirs is removed. A sound record under the key of
// another is ErrCorrupt: that key is damaged, and its member would seem to have none.
func (d *disk) referenced() (needed map[string]bool, unsure map[Key]bool, err error) {
	needed, unsure = make(map[string]bool), make(map[Key]bool)
	err = d.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketSnapshots).ForEach(func(key, b []byte) error {
			k, err := decodeKey(key)
			if err != nil {
				return err
			}
			h, _, err := decodeHeader(b)
			switch {
			case err != nil:
				unsure[k] = true
			case h.Key != k:
				return fmt.Errorf("node.db: the snapshot of %s lies where that of %s belongs: wipe this node and let it join again, or restore its disk: %w", h.Key, k, ErrCorrupt)
			case h.nonce != 0:
				needed[bodyName(h.Key, h.Index, h.nonce)] = true
			}
			return nil
		})
	})
	return needed, unsure, err
}
