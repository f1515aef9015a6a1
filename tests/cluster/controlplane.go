package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// options are the choices of one control plane: see flags in up.go.
type options struct {
	dir, kwok             string
	apiserverPort         int
	qps                   int
	noPriorityAndFairness bool
	apiserverFlags        []string
	remove, keep          bool
}

// controlPlane is everything that belongs to one running cluster.
type controlPlane struct {
	options    options
	keys       pki
	server     string
	etcd       string
	kubeconfig string
	tokens     map[string]string
	components []*component
	client     *kubernetes.Clientset
}

// users are the identities of the token file with their groups. People have no rights until a test grants them some.
var users = map[string]string{
	"admin":                          "system:masters",
	"kwok":                           "system:masters",
	"system:kube-controller-manager": "",
	"system:kube-scheduler":          "",
	"alice":                          "",
	"bob":                            "",
}

// newControlPlane lays out folders, keys, addresses and command lines; it starts nothing.
func newControlPlane(chosen options) (*controlPlane, error) {
	keys, err := makePKI(filepath.Join(chosen.dir, "pki"))
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	if chosen.apiserverPort == 0 {
		chosen.apiserverPort = ports[0]
	}
	plane := &controlPlane{
		options:    chosen,
		keys:       keys,
		server:     "https://127.0.0.1:" + strconv.Itoa(chosen.apiserverPort),
		etcd:       "http://127.0.0.1:" + strconv.Itoa(ports[1]),
		kubeconfig: filepath.Join(chosen.dir, "admin.kubeconfig"),
		tokens:     map[string]string{},
	}
	if err := plane.writeIdentities(); err != nil {
		return nil, err
	}
	if err := writeStages(plane.path("kwok.yaml")); err != nil {
		return nil, err
	}
	plane.client, err = kubernetes.NewForConfig(&rest.Config{
		Host:            plane.server,
		BearerToken:     plane.tokens["admin"],
		TLSClientConfig: rest.TLSClientConfig{CAFile: keys.caCert},
		QPS:             -1,
	})
	if err != nil {
		return nil, err
	}
	return plane, plane.layOut("http://127.0.0.1:" + strconv.Itoa(ports[2]))
}

func (p *controlPlane) path(name string) string { return filepath.Join(p.options.dir, name) }

// layOut lists the components with their command lines, in the order in which they start.
func (p *controlPlane) layOut(etcdPeer string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	qps := strconv.Itoa(p.options.qps)
	limits := []string{"--kube-api-qps=" + qps, "--kube-api-burst=" + qps}
	p.add("etcd", p.etcdAnswers, self, "etcd",
		"--name=test", "--data-dir="+p.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		// Alone, it elects itself when this time is over.
		"--heartbeat-interval=50", "--election-timeout=250",
		"--listen-client-urls="+p.etcd, "--advertise-client-urls="+p.etcd,
		"--listen-peer-urls="+etcdPeer, "--initial-advertise-peer-urls="+etcdPeer,
		"--initial-cluster=test="+etcdPeer)
	p.add("apiserver", p.apiserverAnswers, append([]string{self, "kube-apiserver"}, p.apiserverArguments()...)...)
	p.add("controller-manager", nil, append([]string{self, "kube-controller-manager",
		"--kubeconfig=" + p.path("system:kube-controller-manager.kubeconfig"),
		"--service-account-private-key-file=" + p.keys.accountKey, "--root-ca-file=" + p.keys.caCert,
		"--use-service-account-credentials", "--leader-elect=false", "--secure-port=0",
		// A busy machine must not make the node look lost.
		"--node-monitor-grace-period=10m"}, limits...)...)
	p.add("scheduler", nil, append([]string{self, "kube-scheduler",
		"--kubeconfig=" + p.path("system:kube-scheduler.kubeconfig"),
		"--leader-elect=false", "--secure-port=0"}, limits...)...)
	p.add("kwok", nil, p.options.kwok,
		"--kubeconfig="+p.path("kwok.kubeconfig"), "--config="+p.path("kwok.yaml"),
		"--manage-all-nodes=true", "--node-ip=10.0.0.1",
		// Without a lease the node counts as lost after a while, and every workload as unavailable.
		"--node-lease-duration-seconds=40")
	return nil
}

func (p *controlPlane) apiserverArguments() []string {
	arguments := []string{
		"--etcd-servers=" + p.etcd,
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(p.options.apiserverPort),
		// There is no Service network, hence nobody to tell where the API server is.
		"--advertise-address=10.255.255.1", "--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file=" + p.keys.serverCert, "--tls-private-key-file=" + p.keys.serverKey,
		"--token-auth-file=" + p.path("tokens.csv"), "--authorization-mode=RBAC,Node",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.keys.accountPublic,
		"--service-account-signing-key-file=" + p.keys.accountKey,
	}
	if p.options.noPriorityAndFairness {
		arguments = append(arguments, "--enable-priority-and-fairness=false",
			"--max-requests-inflight=4000", "--max-mutating-requests-inflight=2000")
	}
	return append(arguments, p.options.apiserverFlags...)
}

func (p *controlPlane) add(name string, answers func(context.Context) error, command ...string) {
	p.components = append(p.components, &component{
		name:    name,
		command: command,
		logFile: filepath.Join(p.path("logs"), name+".log"),
		answers: answers,
	})
}

func (p *controlPlane) find(name string) (*component, error) {
	var names []string
	for _, it := range p.components {
		if it.name == name {
			return it, nil
		}
		names = append(names, it.name)
	}
	return nil, fmt.Errorf("no component %q; there are %s", name, strings.Join(names, ", "))
}

// writeIdentities makes a token for every user, the token file of the API server, and a kubeconfig each.
func (p *controlPlane) writeIdentities() error {
	var lines strings.Builder
	for user, groups := range users {
		random := make([]byte, 16)
		if _, err := rand.Read(random); err != nil {
			return err
		}
		token := hex.EncodeToString(random)
		p.tokens[user] = token
		fmt.Fprintf(&lines, "%s,%s,%s,%q\n", token, user, user, groups)
		config := clientcmdapi.NewConfig()
		config.Clusters["test"] = &clientcmdapi.Cluster{Server: p.server, CertificateAuthority: p.keys.caCert}
		config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
		config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: user, Namespace: "default"}
		config.CurrentContext = "test"
		if err := clientcmd.WriteToFile(*config, p.path(user+".kubeconfig")); err != nil {
			return err
		}
	}
	return os.WriteFile(p.path("tokens.csv"), []byte(lines.String()), 0o600)
}

func (p *controlPlane) etcdAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.etcd+"/health", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && !strings.Contains(string(body), `"true"`) {
		err = fmt.Errorf("etcd is not healthy: %s", body)
	}
	return err
}

func (p *controlPlane) apiserverAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return p.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// createNode adds the one node, large enough for whatever a test schedules.
func (p *controlPlane) createNode(ctx context.Context) error {
	capacity := core.ResourceList{
		core.ResourceCPU:              resource.MustParse("1k"),
		core.ResourceMemory:           resource.MustParse("4Ti"),
		core.ResourcePods:             resource.MustParse("100k"),
		core.ResourceEphemeralStorage: resource.MustParse("100Ti"),
	}
	_, err := p.client.CoreV1().Nodes().Create(ctx, &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: "node-0", Labels: map[string]string{
			core.LabelHostname: "node-0", core.LabelOSStable: "linux", core.LabelArchStable: "amd64",
			core.LabelTopologyZone: "zone-0", core.LabelTopologyRegion: "region-0",
		}},
		Status: core.NodeStatus{Capacity: capacity, Allocatable: capacity},
	}, meta.CreateOptions{})
	return err
}

// workloadsRun tells whether a pod that is created now would be admitted and scheduled.
func (p *controlPlane) workloadsRun(ctx context.Context) error {
	node, err := p.client.CoreV1().Nodes().Get(ctx, "node-0", meta.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == core.NodeReady && condition.Status != core.ConditionTrue {
			return fmt.Errorf("the node is not ready: %s", condition.Message)
		}
	}
	if len(node.Status.Conditions) == 0 || len(node.Spec.Taints) > 0 {
		return fmt.Errorf("the node has conditions %v and taints %v", node.Status.Conditions, node.Spec.Taints)
	}
	_, err = p.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", meta.GetOptions{})
	return err
}

// freePorts finds ports that nothing listens on. They lie below the range from which the kernel takes the local ports
// of outgoing connections, so that a port stays free while a component is stopped.
func freePorts(count int) ([]int, error) {
	const lowest, span = 15000, 15000
	var ports []int
	for attempt := 0; attempt < 1000 && len(ports) < count; attempt++ {
		offset, err := rand.Int(rand.Reader, big.NewInt(span))
		if err != nil {
			return nil, err
		}
		port := lowest + int(offset.Int64())
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		// Held until all are found, so that none is found twice.
		defer listener.Close()
		ports = append(ports, port)
	}
	if len(ports) < count {
		return nil, fmt.Errorf("no %d free ports between %d and %d", count, lowest, lowest+span)
	}
	return ports, nil
}
