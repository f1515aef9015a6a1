package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is where the keys of one control plane lie.
type pki struct {
	caCert, caKey             string
	serverCert, serverKey     string
	accountKey, accountPublic string
}

// makePKI writes a certificate authority, the API server's certificate and the key that signs service account tokens.
// The files outlive a restart of the API server, so clients keep trusting it.
func makePKI(dir string) (pki, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return pki{}, err
	}
	files := pki{
		caCert:        filepath.Join(dir, "ca.crt"),
		caKey:         filepath.Join(dir, "ca.key"),
		serverCert:    filepath.Join(dir, "apiserver.crt"),
		serverKey:     filepath.Join(dir, "apiserver.key"),
		accountKey:    filepath.Join(dir, "service-account.key"),
		accountPublic: filepath.Join(dir, "service-account.pub"),
	}
	ca, caKey, err := makeCA(files)
	if err != nil {
		return pki{}, fmt.Errorf("certificate authority: %w", err)
	}
	if err := makeServerCertificate(files, ca, caKey); err != nil {
		return pki{}, fmt.Errorf("certificate of the API server: %w", err)
	}
	if err := makeAccountKey(files); err != nil {
		return pki{}, fmt.Errorf("service account key: %w", err)
	}
	return files, nil
}

func makeCA(files pki) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "tiphys-test-ca"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	key, err := newKey(files.caKey)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	if err := writePEM(files.caCert, "CERTIFICATE", der, 0o644); err != nil {
		return nil, nil, err
	}
	ca, err := x509.ParseCertificate(der)
	return ca, key, err
}

func makeServerCertificate(files pki, ca *x509.Certificate, caKey *ecdsa.PrivateKey) error {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "kube-apiserver"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	key, err := newKey(files.serverKey)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	if err != nil {
		return err
	}
	return writePEM(files.serverCert, "CERTIFICATE", der, 0o644)
}

func makeAccountKey(files pki) error {
	key, err := newKey(files.accountKey)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return writePEM(files.accountPublic, "PUBLIC KEY", der, 0o644)
}

func newKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "PRIVATE KEY", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
