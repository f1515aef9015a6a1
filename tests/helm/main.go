// helm-peer answers with the real Helm 4.3.1, so that crates/helm and `tiphys template` can be compared.
//
//	helm-peer batch [--runs N] [--out DIR]  renders the charts that standard input names; see batch.go
//	helm-peer snippets                      renders the templates that standard input holds; see snippets.go
//	helm-peer helm ARGS…                    is the helm program
//
// Nothing of the machine has a say in what it answers: it runs with an environment and a home of its own, without
// plugins, repositories or a cluster, and nothing gets out to the network.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"

	"helm.sh/helm/v4/pkg/kube"
)

// homeVariable holds the folder that was made as the home; it is set in the environment of our own.
const homeVariable = "TIPHYS_HELM_PEER_HOME"

func main() {
	home := os.Getenv(homeVariable)
	if home == "" {
		fmt.Fprintln(os.Stderr, "helm-peer:", isolate())
		os.Exit(1)
	}
	code := run(os.Args[1:])
	os.RemoveAll(home)
	os.Exit(code)
}

// isolate starts this program once more, with an environment of its own. Helm reads its settings from the environment
// before main begins, so nothing less will do. It returns only when that fails.
func isolate() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "helm-peer-")
	if err != nil {
		return err
	}
	// Nobody listens on this port, so a chart that asks for something far away is told so at once.
	const nowhere = "http://127.0.0.1:1"
	err = syscall.Exec(program, os.Args, []string{
		homeVariable + "=" + home,
		"HOME=" + home,
		"KUBECONFIG=" + home + "/kubeconfig",
		"TMPDIR=" + os.TempDir(),
		"TZ=UTC",
		"HTTP_PROXY=" + nowhere,
		"HTTPS_PROXY=" + nowhere,
	})
	os.RemoveAll(home)
	return err
}

// run does what the arguments ask for and returns the exit code.
func run(args []string) int {
	// What the helm program does before all else: see its cmd/helm.
	kube.ManagedFieldsManager = "helm"
	if len(args) == 0 {
		args = []string{""}
	}
	var err error
	switch args[0] {
	case "batch":
		err = batchCommand(args[1:])
	case "snippets":
		err = snippets(os.Stdin, os.Stdout)
	case "helm":
		return helm(args[1:])
	default:
		err = fmt.Errorf("the first argument is batch, snippets or helm")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "helm-peer:", err)
		return 1
	}
	return 0
}

func batchCommand(args []string) error {
	flags := flag.NewFlagSet("batch", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	runs := flags.Int("runs", 1, "how often each case is run")
	out := flags.String("out", "", "the folder for the outputs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *runs < 1 || flags.NArg() > 0 {
		return fmt.Errorf("batch takes [--runs N] [--out DIR], N at least 1")
	}
	return batch(os.Stdin, os.Stdout, *runs, *out)
}
