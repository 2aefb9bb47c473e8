package scaler

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	pb "numberfleet.dev/numberfleet/internal/scaler/externalscaler"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/standing"
)

// What bounds callers.
const (
	maxConnections = 64
	// maxCalls of one connection leaves room for calls beside the streams: KEDA has all ScaledObjects on one.
	maxCalls       = maxStreams + 256
	maxMessage     = 64 << 10 // bytes
	maxHeader      = 16 << 10 // bytes
	connectTimeout = 10 * time.Second
	maxIdle        = 5 * time.Minute  // of a connection without a call
	pingAfter      = time.Minute      // a connection on which nothing came is asked for a sign of life
	pingTimeout    = 20 * time.Second // and closed
	leastPing      = 10 * time.Second // between two such questions of a client
	stopTimeout    = 5 * time.Second
)

// Options say how a Server is made. Log is optional.
type Options struct {
	Listener server.Listener
	Standing *standing.Source
	Clock    Clock            // of the rules
	Real     clock.WithTicker // of those who wait
	// Ledger and Informers say when something changes.
	Ledger interface {
		Subscribe(changed func(subject string))
	}
	Informers ctrlcache.Informers
	Metrics   prometheus.Registerer
	Log       logr.Logger
}

// Server serves the scaler over gRPC.
type Server struct {
	Options
	requests *prometheus.CounterVec
}

// New makes a server.
func New(o Options) (*Server, error) {
	if o.Standing == nil || o.Clock == nil || o.Real == nil || o.Ledger == nil || o.Informers == nil || o.Metrics == nil {
		return nil, errors.New("a scaler needs standing, clocks, a ledger, informers and a registerer of metrics")
	}
	o.Listener.HTTP2 = true
	return &Server{Options: o, requests: promauto.With(o.Metrics).NewCounterVec(prometheus.CounterOpts{
		Name: "numberfleet_scaler_requests_total",
		Help: "Total number of calls of autoscalers, by method and gRPC status code. A stream is counted when it ends.",
	}, []string{"method", "code"})}, nil
}

// NeedLeaderElection says that each process answers: from its own ledger.
func (s *Server) NeedLeaderElection() bool { return false }

// Start serves until ctx is done. It implements manager.Runnable.
func (s *Server) Start(ctx context.Context) error {
	listener, err := s.Listener.Listen(logr.NewContext(ctx, s.Log))
	if err != nil {
		return fmt.Errorf("the scaler %w", err)
	}
	if listener == nil { // ctx is done
		return nil
	}
	return s.Serve(ctx, listener)
}

// Serve is Start on a listener, which it closes.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	shared := newSharedView(s.Standing, s.Clock, s.Real)
	if err := s.subscribe(ctx, shared.change); err != nil {
		_ = listener.Close()
		return err
	}
	s.Log.Info("Serving", "what", "the scaler", "address", listener.Addr().String(), "tls", s.Listener.CertDir != "")
	serving := grpc.NewServer(
		grpc.MaxConcurrentStreams(maxCalls), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxHeaderListSize(maxHeader), grpc.ConnectionTimeout(connectTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: maxIdle, Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(s.call), grpc.StreamInterceptor(s.stream),
	)
	pb.RegisterExternalScalerServer(serving, newService(shared, s.Log))
	go shared.run(ctx) // when it ends, all streams do
	served := make(chan error, 1)
	go func() { served <- serving.Serve(netutil.LimitListener(listener, maxConnections)) }()
	select {
	case err := <-served:
		return fmt.Errorf("the scaler stopped: %w", err)
	case <-ctx.Done():
	}
	defer time.AfterFunc(stopTimeout, serving.Stop).Stop()
	serving.GracefulStop()
	return nil
}

// subscribe has changed called after every change of what may be sent that does not come with time.
func (s *Server) subscribe(ctx context.Context, changed func()) error {
	s.Ledger.Subscribe(func(string) { changed() })
	told := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed() }, UpdateFunc: func(any, any) { changed() }, DeleteFunc: func(any) { changed() },
	}
	for _, of := range []client.Object{&v1alpha1.PhoneNumber{}, &v1alpha1.BusinessPortfolio{}, &v1alpha1.NumberPool{}, &v1alpha1.MessagingPolicy{}} {
		informer, err := s.Informers.GetInformer(ctx, of)
		if err == nil {
			_, err = informer.AddEventHandler(told)
		}
		if err != nil {
			return fmt.Errorf("the scaler cannot watch %T: %w", of, err)
		}
	}
	return nil
}

func (s *Server) call(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
	defer s.ended(info.FullMethod, &err)
	return handler(ctx, request)
}

func (s *Server) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer s.ended(info.FullMethod, &err)
	return handler(service, stream)
}

// ended counts a call. One that panicked takes no other with it.
func (s *Server) ended(method string, err *error) {
	if cause := recover(); cause != nil {
		s.Log.Error(fmt.Errorf("panic: %v", cause), "A call of an autoscaler could not be answered", "method", method, "stack", string(debug.Stack()))
		*err = status.Error(codes.Internal, "an error of the operator")
	}
	s.requests.WithLabelValues(path.Base(method), status.Code(*err).String()).Inc()
}
