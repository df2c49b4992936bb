// Command spiffecheck holds a SPIFFE Workload API against go-spiffe, the standard's own client. It prints one line of JSON for each
// thing that it saw, and ends with 1 and a line on stderr when something is not as the standard says.
//
//	spiffecheck watch     -socket S -id ID -updates N   each update of the X.509 context, verified, until there were N
//	spiffecheck bundles   -socket S -domain D           the bundles, by the call that is for those who only verify
//	spiffecheck headless  -socket S                     the code that a call without the security header ends with
//	spiffecheck dial      -socket S -address A -peer ID a TLS connection with our SVID to whoever has exactly that ID
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

type options struct {
	socket, id, domain, address, peer string
	updates                           int
}

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("say what to check: watch, bundles, headless or dial"))
	}
	var given options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&given.socket, "socket", "", "the Workload API, as unix:PATH")
	flags.StringVar(&given.id, "id", "", "the SPIFFE ID that this process must have")
	flags.StringVar(&given.domain, "domain", "", "the trust domain whose roots are asked for")
	flags.StringVar(&given.address, "address", "", "host:port")
	flags.StringVar(&given.peer, "peer", "", "the one SPIFFE ID that may answer there")
	flags.IntVar(&given.updates, "updates", 1, "how many updates to wait for")
	timeout := flags.Duration("timeout", 30*time.Second, "for all of it")
	if err := flags.Parse(os.Args[2:]); err != nil {
		fail(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	checks := map[string]func(context.Context, options) error{
		"watch": watch, "bundles": bundles, "headless": headless, "dial": dial,
	}
	check, ok := checks[os.Args[1]]
	if !ok {
		fail(fmt.Errorf("there is no check %q", os.Args[1]))
	}
	if err := check(ctx, given); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func say(fact any) error { return json.NewEncoder(os.Stdout).Encode(fact) }

// Update is what one update of the X.509 context holds, after it was verified.
type Update struct {
	ID        string    `json:"id"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Roots     []string  `json:"roots"`
	SignedBy  string    `json:"signedBy"`
	SVIDs     int       `json:"svids"`
	Hint      string    `json:"hint"`
}

type watcher struct {
	given  options
	seen   int
	result chan error
}

func (w *watcher) OnX509ContextUpdate(answer *workloadapi.X509Context) {
	if w.seen == w.given.updates {
		return
	}
	update, err := verify(answer, w.given.id)
	if err == nil {
		err = say(update)
	}
	if w.seen++; err != nil || w.seen == w.given.updates {
		w.seen = w.given.updates
		w.result <- err
	}
}

// The agent being away is no error: go-spiffe asks again. It is said, so that a test can see that it was noticed.
func (w *watcher) OnX509ContextWatchError(err error) {
	if code := status.Code(err); code != codes.Canceled {
		_ = say(map[string]string{"error": code.String()})
	}
}

func watch(ctx context.Context, given options) error {
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(given.socket))
	if err != nil {
		return err
	}
	defer client.Close()
	w := &watcher{given: given, result: make(chan error, 1)}
	go func() {
		if err := client.WatchX509Context(ctx, w); err != nil && ctx.Err() != nil {
			w.result <- fmt.Errorf("only %d of %d updates came: %w", w.seen, given.updates, err)
		}
	}()
	return <-w.result
}

// verify does what a peer does with our certificate, and what go-spiffe does not do by itself: how long, and for whom.
func verify(answer *workloadapi.X509Context, id string) (*Update, error) {
	svid := answer.DefaultSVID()
	if svid.ID.String() != id {
		return nil, fmt.Errorf("the SVID is %s, not %s", svid.ID, id)
	}
	chain := make([][]byte, len(svid.Certificates))
	for i, certificate := range svid.Certificates {
		chain[i] = certificate.Raw
	}
	verified, chains, err := x509svid.ParseAndVerify(chain, answer.Bundles)
	if err != nil {
		return nil, fmt.Errorf("the SVID does not verify: %w", err)
	}
	if verified != svid.ID {
		return nil, fmt.Errorf("the certificate is of %s, the answer of %s", verified, svid.ID)
	}
	leaf := svid.Certificates[0]
	if now := time.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return nil, fmt.Errorf("the SVID is good from %s to %s, not now", leaf.NotBefore, leaf.NotAfter)
	}
	bundle, err := answer.Bundles.GetX509BundleForTrustDomain(svid.ID.TrustDomain())
	if err != nil {
		return nil, err
	}
	root := chains[0][len(chains[0])-1]
	return &Update{
		ID:        svid.ID.String(),
		Serial:    leaf.SerialNumber.Text(16),
		NotBefore: leaf.NotBefore,
		NotAfter:  leaf.NotAfter,
		Roots:     names(bundle),
		SignedBy:  root.Subject.CommonName,
		SVIDs:     len(answer.SVIDs),
		Hint:      svid.Hint,
	}, nil
}

func names(bundle *x509bundle.Bundle) []string {
	var roots []string
	for _, root := range bundle.X509Authorities() {
		roots = append(roots, root.Subject.CommonName)
	}
	return roots
}

func bundles(ctx context.Context, given options) error {
	domain, err := spiffeid.TrustDomainFromString(given.domain)
	if err != nil {
		return err
	}
	set, err := workloadapi.FetchX509Bundles(ctx, workloadapi.WithAddr(given.socket))
	if err != nil {
		return err
	}
	bundle, err := set.GetX509BundleForTrustDomain(domain)
	if err != nil {
		return err
	}
	return say(map[string][]string{"roots": names(bundle)})
}

func headless(ctx context.Context, given options) error {
	connection, err := grpc.NewClient(given.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	stream, err := workload.NewSpiffeWorkloadAPIClient(connection).FetchX509SVID(ctx, &workload.X509SVIDRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	return say(map[string]string{"code": status.Code(err).String()})
}

func dial(ctx context.Context, given options) error {
	peer, err := spiffeid.FromString(given.peer)
	if err != nil {
		return err
	}
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(given.socket)))
	if err != nil {
		return err
	}
	defer source.Close()
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(peer))
	config.NextProtos = []string{"h2"}
	dialer := &tls.Dialer{Config: config}
	connection, err := dialer.DialContext(ctx, "tcp", given.address)
	if err != nil {
		return err
	}
	defer connection.Close()
	state := connection.(*tls.Conn).ConnectionState()
	answered, err := x509svid.IDFromCert(state.PeerCertificates[0])
	if err != nil {
		return err
	}
	// In TLS 1.3 a client learns that it was refused from its first read: whoever is let in is sent the settings of HTTP/2.
	if err := connection.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := connection.Read(make([]byte, 9)); err != nil {
		return fmt.Errorf("%s does not speak to us: %w", answered, err)
	}
	return say(map[string]string{"peer": answered.String(), "tls": tls.VersionName(state.Version), "alpn": state.NegotiatedProtocol})
}
