package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// readyLimit is how long a component may take to answer after its start.
	readyLimit = 2 * time.Minute
	// stopLimit is how long a component may take to end after SIGTERM before it is killed. An API server waits a
	// minute for its clients' watches; nobody here gains from that.
	stopLimit = 3 * time.Second
)

// component is one part of the control plane and the process that runs it, if any.
type component struct {
	name string
	// program and arguments of the process; the same at every start, so it comes back at the same address.
	command []string
	logFile string
	// answers tells whether the component works; nil means that running is enough.
	answers func(context.Context) error

	process *os.Process
	// gone is closed when the process has ended.
	gone chan struct{}
	// wanted says that an end of the process is an accident, and the process is started again.
	wanted bool
}

func (c *component) running() bool {
	if c.process == nil {
		return false
	}
	select {
	case <-c.gone:
		return false
	default:
		return true
	}
}

// start runs the process. It must be called on the main thread: see init in main.go.
func (c *component) start(exited chan<- *component) error {
	if c.running() {
		return fmt.Errorf("%s runs already as process %d", c.name, c.process.Pid)
	}
	if err := os.MkdirAll(filepath.Dir(c.logFile), 0o755); err != nil {
		return err
	}
	log, err := os.OpenFile(c.logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(c.command[0], c.command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	c.process, c.gone, c.wanted = cmd.Process, gone, true
	go func() {
		_ = cmd.Wait()
		close(gone)
		exited <- c
	}()
	return nil
}

// awaitReady returns when the component answers, or says why it does not.
func (c *component) awaitReady(ctx context.Context) error {
	if c.answers == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		err := c.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.gone:
			return fmt.Errorf("%s ended at its start: %s", c.name, c.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w: %s", c.name, errors.Join(ctx.Err(), err), c.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lastWords is the end of the log.
func (c *component) lastWords() string {
	log, err := os.ReadFile(c.logFile)
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-2000):])
}

// end sends the signal and waits until the process is gone; it is killed when it does not obey in time.
func (c *component) end(signal syscall.Signal) error {
	c.wanted = false
	if !c.running() {
		return fmt.Errorf("%s does not run", c.name)
	}
	if err := c.process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.gone:
		return nil
	case <-time.After(stopLimit):
	}
	if err := c.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.gone
	return nil
}

func (c *component) signal(signal syscall.Signal) error {
	if !c.running() {
		return fmt.Errorf("%s does not run", c.name)
	}
	return c.process.Signal(signal)
}
