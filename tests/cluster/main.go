// Command tiphys-cluster is a real Kubernetes control plane in one program, for tests.
//
// The first argument names the part to run: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl,
// or up, which starts one process of each and supervises them.
// Each part is a process of its own because the parts keep global state (flags, metrics, feature gates).
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func init() {
	// `up` asks the kernel to kill its children with the thread that started them (Pdeathsig). The main thread
	// lives as long as the process, so children are started from it alone.
	runtime.LockOSThread()
}

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("say which part to run: " +
			"etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl or up"))
	}
	part := os.Args[1]
	if part != "up" {
		runtime.UnlockOSThread()
	}
	// Every part reads os.Args itself and takes its own name from the first of them.
	os.Args = os.Args[1:]
	switch part {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kubectl":
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			os.Exit(1)
		}
	case "up":
		if err := up(os.Args[1:]); err != nil {
			fail(err)
		}
	default:
		fail(fmt.Errorf("unknown part %q", part))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "tiphys-cluster:", err)
	os.Exit(1)
}
