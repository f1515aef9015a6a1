package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// restartDelay is how long a component that ended by itself stays down.
const restartDelay = 300 * time.Millisecond

// description is what `up` prints, as one line of JSON, once the cluster works. The certificate and key are those of
// the API server, for a proxy that stands in for it.
type description struct {
	Server     string            `json:"server"`
	Etcd       string            `json:"etcd"`
	Kubeconfig string            `json:"kubeconfig"`
	CA         string            `json:"ca"`
	Cert       string            `json:"certificate"`
	Key        string            `json:"key"`
	Tokens     map[string]string `json:"tokens"`
	Dir        string            `json:"dir"`
	Logs       string            `json:"logs"`
	Pid        int               `json:"pid"`
	Pids       map[string]int    `json:"pids"`
	Seconds    float64           `json:"seconds"`
}

// answer is what `up` prints, as one line of JSON, to each command.
type answer struct {
	Command string         `json:"command"`
	Error   string         `json:"error,omitempty"`
	Pids    map[string]int `json:"pids"`
}

// up runs a whole control plane until its standard input is closed or it is told to stop by a signal.
func up(arguments []string) error {
	began := time.Now()
	chosen, err := parse(arguments)
	if err != nil {
		return err
	}
	if chosen.remove {
		defer os.RemoveAll(chosen.dir)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer cancel()
	commands := readCommands(cancel, chosen.keep)
	plane, err := newControlPlane(chosen)
	if err != nil {
		return err
	}
	supervisor := &supervisor{plane: plane, exited: make(chan *component, len(plane.components))}
	defer supervisor.killAll()
	if err := supervisor.boot(ctx); err != nil {
		return err
	}
	if err := supervisor.print(plane.describe(time.Since(began))); err != nil {
		return err
	}
	return supervisor.serve(ctx, commands)
}

func parse(arguments []string) (options, error) {
	var chosen options
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.StringVar(&chosen.dir, "dir", "", "folder for keys, data and logs (default: a new temporary one)")
	flags.StringVar(&chosen.kwok, "kwok", "", "the kwok program (default: beside this one)")
	flags.IntVar(&chosen.apiserverPort, "apiserver-port", 0, "port of the API server (default: a free one)")
	flags.IntVar(&chosen.qps, "qps", 1000, "requests a second that controller-manager and scheduler allow themselves")
	flags.BoolVar(&chosen.noPriorityAndFairness, "no-priority-and-fairness", false,
		"let the API server take all requests at once (benchmarks)")
	flags.BoolVar(&chosen.remove, "remove", false, "remove the folder at the end")
	flags.BoolVar(&chosen.keep, "keep", false, "go on after standard input is closed; SIGTERM ends it")
	flags.Func("apiserver-flag", "a further flag of the API server, such as --v=4 (may be repeated)", func(it string) error {
		chosen.apiserverFlags = append(chosen.apiserverFlags, it)
		return nil
	})
	if err := flags.Parse(arguments); err != nil {
		return chosen, err
	}
	if flags.NArg() > 0 {
		return chosen, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if chosen.kwok == "" {
		self, err := os.Executable()
		if err != nil {
			return chosen, err
		}
		chosen.kwok = filepath.Join(filepath.Dir(self), "kwok")
	}
	var err error
	if chosen.dir == "" {
		chosen.dir, err = os.MkdirTemp("", "tiphys-cluster-")
		return chosen, err
	}
	if chosen.dir, err = filepath.Abs(chosen.dir); err != nil {
		return chosen, err
	}
	return chosen, os.MkdirAll(chosen.dir, 0o755)
}

// readCommands passes on the lines of standard input; its end is the end of the cluster, so that a caller that dies
// leaves nothing behind.
func readCommands(cancel context.CancelFunc, keep bool) <-chan string {
	commands := make(chan string)
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" {
				commands <- line
			}
		}
		if !keep {
			cancel()
		}
	}()
	return commands
}

func (p *controlPlane) describe(took time.Duration) description {
	return description{
		Server: p.server, Etcd: p.etcd, Kubeconfig: p.kubeconfig, CA: p.keys.caCert,
		Cert: p.keys.serverCert, Key: p.keys.serverKey,
		Tokens: p.tokens, Dir: p.options.dir, Logs: p.path("logs"), Pid: os.Getpid(), Pids: p.pids(),
		Seconds: took.Seconds(),
	}
}

func (p *controlPlane) pids() map[string]int {
	pids := map[string]int{}
	for _, it := range p.components {
		if it.running() {
			pids[it.name] = it.process.Pid
		}
	}
	return pids
}

// supervisor starts and ends components. All its methods run on the main thread.
type supervisor struct {
	plane  *controlPlane
	exited chan *component
}

// boot starts everything and returns when pods can run.
func (s *supervisor) boot(ctx context.Context) error {
	// The API server waits for etcd by itself, and starting it is the longest part.
	for _, it := range s.plane.components[:2] {
		if err := it.start(s.exited); err != nil {
			return err
		}
	}
	for _, it := range s.plane.components[:2] {
		if err := it.awaitReady(ctx); err != nil {
			return err
		}
	}
	if err := s.plane.createNode(ctx); err != nil {
		return fmt.Errorf("create the node: %w", err)
	}
	for _, it := range s.plane.components[2:] {
		if err := it.start(s.exited); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		err := s.plane.workloadsRun(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cluster cannot run pods: %w; see %s", errors.Join(ctx.Err(), err), s.plane.path("logs"))
		case ended := <-s.exited:
			return fmt.Errorf("%s ended at its start: %s", ended.name, ended.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// serve carries out commands and restarts what ends by itself, until ctx is done.
func (s *supervisor) serve(ctx context.Context, commands <-chan string) error {
	var restarts <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case command := <-commands:
			reply := answer{Command: command}
			if err := s.carryOut(ctx, command); err != nil {
				reply.Error = err.Error()
			}
			reply.Pids = s.plane.pids()
			if err := s.print(reply); err != nil {
				return err
			}
		case ended := <-s.exited:
			if ended.wanted && !ended.running() {
				fmt.Fprintf(os.Stderr, "tiphys-cluster: %s ended by itself and is started again; see %s\n", ended.name, ended.logFile)
				restarts = time.After(restartDelay)
			}
		case <-restarts:
			for _, it := range s.plane.components {
				if it.wanted && !it.running() {
					if err := it.start(s.exited); err != nil {
						return err
					}
				}
			}
		}
	}
}

// carryOut does one command: a verb and the name of a component.
func (s *supervisor) carryOut(ctx context.Context, command string) error {
	verb, name, _ := strings.Cut(command, " ")
	it, err := s.plane.find(name)
	if err != nil {
		return err
	}
	switch verb {
	case "start":
		if err := it.start(s.exited); err != nil {
			return err
		}
		return it.awaitReady(ctx)
	case "stop":
		return it.end(syscall.SIGTERM)
	case "kill":
		return it.end(syscall.SIGKILL)
	case "pause":
		return it.signal(syscall.SIGSTOP)
	case "resume":
		return it.signal(syscall.SIGCONT)
	default:
		return fmt.Errorf("unknown command %q; there are start, stop, kill, pause and resume", verb)
	}
}

func (s *supervisor) print(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}

// killAll ends every component at once. Nobody needs their data any more.
func (s *supervisor) killAll() {
	for _, it := range s.plane.components {
		if it.running() {
			_ = it.process.Kill()
		}
	}
	for _, it := range s.plane.components {
		if it.process != nil {
			<-it.gone
		}
	}
}
