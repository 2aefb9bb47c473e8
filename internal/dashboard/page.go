package dashboard

import (
	"embed"
	"io/fs"
	"net/http"
	"path"

	"numberfleet.dev/numberfleet/internal/chart"
)

//go:embed page
var files embed.FS

// types are those of the files, by the ends of their names. What the machine believes is not asked.
var types = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// Page serves the page of a fleet. Its files, and nothing from elsewhere, are all that a browser gets.
type Page struct {
	fleet *Fleet
	token string
	ended chan struct{} // closed when all streams are to end
}

// NewPage makes the page of a fleet. Whoever is shown it brings the token.
func NewPage(fleet *Fleet, token string) *Page {
	return &Page{fleet: fleet, token: token, ended: make(chan struct{})}
}

// EndStreams ends all streams, so that a server can shut down. It is called once.
func (p *Page) EndStreams() { close(p.ended) }

// Handler answers requests.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.file)
	mux.HandleFunc("GET /{file}", p.file)
	for name, content := range map[string]string{"uplot.js": chart.Library, "uplot.css": chart.LibraryStyle, "chart.js": chart.Script, "chart.css": chart.Style} {
		mux.HandleFunc("GET /chart/"+name, func(w http.ResponseWriter, _ *http.Request) { send(w, types[path.Ext(name)], []byte(content)) })
	}
	mux.HandleFunc("GET /api/stream", p.stream)
	mux.HandleFunc("GET /api/object", p.detail)
	return p.admit(mux)
}

// file answers with a file of the page.
func (p *Page) file(w http.ResponseWriter, req *http.Request) {
	name := req.PathValue("file")
	if name == "" {
		name = "index.html"
	}
	content, err := fs.ReadFile(files, path.Join("page", name))
	if err != nil {
		http.NotFound(w, req)
		return
	}
	send(w, types[path.Ext(name)], content)
}

func send(w http.ResponseWriter, contentType string, content []byte) {
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(content) //nolint:gosec // of a type that is no markup, or as it is embedded; the reader may be gone
}
