package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "unsafe" // for go:linkname

	_ "github.com/spf13/cobra"
	"helm.sh/helm/v4/pkg/cmd"
)

// initializers are the functions that cobra calls before every command of the process. Each root command of Helm adds
// one of its own, so that in a process with many they would all be run each time.
//
//go:linkname initializers github.com/spf13/cobra.initializers
var initializers []func()

// helm is the helm program: it runs a command and returns the exit code.
func helm(args []string) int {
	// Helm takes the name of its program from here.
	os.Args = append([]string{"helm"}, args...)
	root, err := cmd.NewRootCmd(os.Stdout, args, cmd.SetupLogging)
	if err != nil {
		slog.Warn("command failed", slog.Any("error", err))
		return 1
	}
	if err := root.Execute(); err != nil {
		if coded, ok := errors.AsType[cmd.CommandError](err); ok {
			return coded.ExitCode
		}
		return 1
	}
	return 0
}

// process stands in for a helm process with standard streams of its own.
type process struct {
	// stdout is a file without a name that takes what a command writes.
	stdout *os.File
}

// newProcess turns the standard streams of this process away, for good.
func newProcess() (*process, error) {
	stdout, err := os.CreateTemp("", "helm-peer-stdout-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(stdout.Name()); err != nil {
		return nil, err
	}
	stderr, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	// Some of Helm's messages are not written to what the root command is given. What goes to standard error is lost;
	// the error itself is taken from the command.
	os.Stdout, os.Stderr = stdout, stderr
	return &process{stdout}, nil
}

// run runs a helm command: what it wrote to its standard output, its error, and how long it took. The time is that of
// the command alone, without the making of the tree of all commands.
func (p *process) run(args []string) (output []byte, took time.Duration, err error) {
	took, err = p.execute(args)
	output, readError := p.take()
	if readError != nil {
		return nil, 0, fmt.Errorf("reading what Helm wrote: %w", readError)
	}
	return output, took, err
}

func (p *process) execute(args []string) (took time.Duration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("PANIC: %v", r)
		}
	}()
	// A command leaves a handler for these behind, which would keep this process from ending.
	defer signal.Reset(os.Interrupt, syscall.SIGTERM)
	initializers = nil
	root, err := cmd.NewRootCmd(p.stdout, args, cmd.SetupLogging)
	if err != nil {
		return 0, err
	}
	root.SetArgs(args)
	begin := time.Now()
	err = root.Execute()
	return time.Since(begin), err
}

// take returns what was written and leaves the file empty.
func (p *process) take() ([]byte, error) {
	if _, err := p.stdout.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	output, err := io.ReadAll(p.stdout)
	if err != nil {
		return nil, err
	}
	if err := p.stdout.Truncate(0); err != nil {
		return nil, err
	}
	_, err = p.stdout.Seek(0, io.SeekStart)
	return output, err
}
