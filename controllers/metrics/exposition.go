package metrics

import (
	"bufio"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

// Collector tells at each scrape what is known of resources.
type Collector interface {
	// collect fails where nothing is known yet.
	collect(*page) error
}

// Exposition is what is told of resources beside the metrics of a registry. A fleet has a million series and more: the registry would make
// several objects of each, sort and check them, which takes seconds. These are written as they are. It is safe for concurrent use.
type Exposition struct {
	Log logr.Logger

	mu         sync.Mutex
	collectors []Collector
}

// Add adds what is told.
func (e *Exposition) Add(collectors ...Collector) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collectors = append(e.collectors, collectors...)
}

// excludeNumbers is what a scrape asks for that wants no series of phone numbers.
const excludeNumbers = "numbers"

// Before is a handler that writes what is told of resources, and then what the next one writes, which is a registry's. Where anything cannot be
// told, a scrape fails: a number that is missing for a while would look like one that is gone.
//
// With the parameter exclude=numbers a scrape gets no series of phone numbers.
func (e *Exposition) Before(next http.Handler) http.Handler {
	compressed, err := gzhttp.NewWrapper(gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.EnableZstd(false)) // which no Prometheus asks for
	if err != nil {
		panic(err) // there is no such level
	}
	return compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		collectors := slices.Clone(e.collectors)
		e.mu.Unlock()
		told := &page{withNumbers: !slices.Contains(r.URL.Query()["exclude"], excludeNumbers), samples: map[*family][]sample{}}
		for _, c := range collectors {
			if err := c.collect(told); err != nil {
				e.Log.Error(err, "The metrics of resources cannot be told")
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		asked := r.Clone(r.Context())
		asked.Header.Del("Accept-Encoding")
		asked.Header.Set("Accept", textOnly(r.Header.Values("Accept")))
		first := &firstWriter{ResponseWriter: w, page: told}
		next.ServeHTTP(first, asked)
		_ = first.begin() // whoever asked is gone
	}))
}

// textOnly are the formats of an Accept header that are text.
func textOnly(accept []string) string {
	var text []string
	for format := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		if !strings.Contains(format, "protobuf") {
			text = append(text, format)
		}
	}
	return strings.Join(text, ",")
}

// firstWriter writes a page before all that is written.
type firstWriter struct {
	http.ResponseWriter
	page *page // nil once it is written, or is not to be
}

// WriteHeader implements http.ResponseWriter. An error is told as it is.
func (f *firstWriter) WriteHeader(code int) {
	if code != http.StatusOK {
		f.page = nil
	}
	f.ResponseWriter.WriteHeader(code)
}

// Write implements io.Writer.
func (f *firstWriter) Write(content []byte) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	return f.ResponseWriter.Write(content)
}

// begin writes the page, unless it was written.
func (f *firstWriter) begin() error {
	if f.page == nil {
		return nil
	}
	buffered := bufio.NewWriterSize(f.ResponseWriter, 64<<10)
	f.page.write(buffered, strings.HasPrefix(f.Header().Get("Content-Type"), "application/openmetrics-text"))
	f.page = nil
	return buffered.Flush()
}
