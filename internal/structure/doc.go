// Package structure holds the test that keeps the arrows between the packages as
// ARCHITECTURE.md draws them. It has no code.
package structure
