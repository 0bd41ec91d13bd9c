package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// A change asks on a terminal. Where nobody can be asked, one that cannot lose data
// goes on, and one that can needs the word of a flag.

func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask")
}

// proceed asks whether to do what the sentence says.
func (a *app) proceed(ctx context.Context, yes, canLose bool, sentence string) error {
	switch {
	case yes:
		return nil
	case a.inTerminal:
		answer, err := a.question(ctx, sentence+" Go on? [y/N] ")
		if err != nil {
			return err
		}
		if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
			return errCancelled
		}
		return nil
	case canLose:
		return usagef("add -y if that is meant", "%s There is no terminal to ask at", sentence)
	}
	return nil
}

// proceedByName has the name typed of what may be lost.
func (a *app) proceedByName(ctx context.Context, flag, sentence, name string) error {
	if !a.inTerminal {
		return usagef("add "+flag+" if that is meant", "%s There is no terminal to ask at", sentence)
	}
	answer, err := a.question(ctx, fmt.Sprintf("%s Type its name to go on: ", sentence))
	if err != nil {
		return err
	}
	if answer != name {
		return errCancelled
	}
	return nil
}

// question reads one line, or ends with the context.
func (a *app) question(ctx context.Context, text string) (string, error) {
	fmt.Fprint(a.errs, oneLine(text))
	type line struct {
		text string
		err  error
	}
	got := make(chan line, 1)
	go func() { // a terminal cannot be made to stop reading; the process ends with it
		text, err := bufio.NewReader(a.in).ReadString('\n')
		got <- line{text, err}
	}()
	select {
	case l := <-got:
		if l.err != nil && !(errors.Is(l.err, io.EOF) && l.text != "") {
			fmt.Fprintln(a.errs)
			return "", errCancelled
		}
		return strings.TrimSpace(l.text), nil
	case <-ctx.Done():
		fmt.Fprintln(a.errs)
		return "", ctx.Err()
	}
}
