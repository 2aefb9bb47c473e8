package config

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"numberfleet.dev/numberfleet/internal/secret"
)

// Ledger says where the ledger keeps its records.
type Ledger struct {
	// Engine is Embedded where it is left out.
	Engine Engine `json:"engine"`
	// Log is that of the engine Log, and left out with Embedded.
	Log *Log `json:"log"`
}

// Engine is what keeps the records.
type Engine string

// The engines.
const (
	// EmbeddedEngine keeps them in the folder of --data-dir: for one replica of the operator.
	EmbeddedEngine Engine = "Embedded"
	// LogEngine keeps them in a stream of NATS JetStream, which several replicas share.
	LogEngine Engine = "Log"
)

// Log is a stream of NATS JetStream.
type Log struct {
	// Servers are 1 to 16 URLs of nodes of the cluster: tls:// or nats://, the latter in the clear.
	Servers []string `json:"servers"`
	// SecretFile holds the secret that keys of users and messages are made with: 16 bytes as 32 hexadecimal digits. It is the same for all
	// who share the log, and never changes.
	SecretFile string `json:"secretFile"`
	// CredentialsFile is as nsc writes it. Optional.
	CredentialsFile string `json:"credentialsFile"`
	// CAFile holds the certificates to trust, in PEM; the system's where it is empty.
	CAFile string `json:"caFile"`
	// CertificateFile is for servers that want a certificate, in PEM: it and KeyFile, or none.
	CertificateFile string `json:"certificateFile"`
	// KeyFile is the key of CertificateFile, in PEM.
	KeyFile string `json:"keyFile"`
	// Instance is a DNS label of at most 63 characters; main where it is left out. Those of one instance share a log.
	Instance string `json:"instance"`
	// Next is the instance whose log begins by itself with what replicas knew, where the one of Instance lost something, and with which they
	// go on then: a DNS label of at most 63 characters. Where it is left out they wait for the command manager ledger recover.
	Next string `json:"next"`
	// Cluster is the name of this Kubernetes cluster, a DNS label of at most 63 characters, where several share the log; else it is left out.
	Cluster string `json:"cluster"`
	// Replicas is how many nodes have a copy, 1, 3 or 5; 3 where it is left out.
	Replicas int `json:"replicas"`
	// RetentionDays is how long the log keeps records, 3 to 366; 38 where it is left out. Snapshots have what follows from older ones.
	RetentionDays int `json:"retentionDays"`
	// Backup is where copies of the newest snapshots are kept apart from the log; nowhere where it is left out.
	Backup *Backup `json:"backup"`
	// RequireSync refuses servers that acknowledge before they have synced; true where it is left out.
	RequireSync *bool `json:"requireSync"`
}

const (
	maxServers       = 16
	defaultRetention = 38
	leastRetention   = 3
	mostRetention    = 366
)

// Retention is how long the log keeps records.
func (l *Log) Retention() time.Duration { return time.Duration(l.RetentionDays) * 24 * time.Hour }

// Secret reads the file of the secret. The error names the field, and nothing of the secret.
func (l *Log) Secret() (key [16]byte, err error) {
	text, err := secret.Read(l.SecretFile)
	if err != nil {
		return key, fmt.Errorf("ledger.log.secretFile %w", err)
	}
	if n, err := hex.Decode(key[:], []byte(text[:min(len(text), 2*len(key))])); err != nil || n < len(key) || len(text) > 2*len(key) {
		return key, fmt.Errorf("ledger.log.secretFile must hold %d hexadecimal digits, as openssl rand -hex %d prints them", 2*len(key), len(key))
	}
	return key, nil
}

func (l *Ledger) complete() {
	if l.Engine == "" {
		l.Engine = EmbeddedEngine
	}
	log := l.Log
	if log == nil {
		return
	}
	if log.Instance == "" {
		log.Instance = "main"
	}
	if log.Replicas == 0 {
		log.Replicas = 3
	}
	if log.RetentionDays == 0 {
		log.RetentionDays = defaultRetention
	}
	if log.RequireSync == nil {
		log.RequireSync = new(true)
	}
	if log.Backup != nil {
		log.Backup.complete()
	}
}

func validateLedger(path *field.Path, l *Ledger) field.ErrorList {
	log := path.Child("log")
	switch l.Engine {
	case EmbeddedEngine:
		if l.Log != nil {
			return field.ErrorList{field.Forbidden(log, "is of the engine Log: set engine to Log, or leave log out")}
		}
		return nil
	case LogEngine:
		if l.Log == nil {
			return field.ErrorList{field.Required(log, "with the engine Log, its servers and its secretFile")}
		}
		return validateLog(log, l.Log)
	default:
		return field.ErrorList{field.NotSupported(path.Child("engine"), l.Engine, []Engine{EmbeddedEngine, LogEngine})}
	}
}

func validateLog(path *field.Path, l *Log) field.ErrorList {
	var errs field.ErrorList
	servers := path.Child("servers")
	if n := len(l.Servers); n == 0 {
		errs = append(errs, field.Required(servers, "URLs of the nodes of NATS, like tls://nats.nats.svc:4222"))
	} else if n > maxServers {
		errs = append(errs, field.TooMany(servers, n, maxServers))
	}
	for i, server := range l.Servers {
		u, err := url.Parse(server)
		if err != nil || u.Scheme != "tls" && u.Scheme != "nats" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
			// An address may have a password in it.
			errs = append(errs, field.Invalid(servers.Index(i), hidden, "must be written like tls://nats.nats.svc:4222, or nats:// for a connection in the clear, without credentials and path"))
		}
	}
	if l.SecretFile == "" {
		errs = append(errs, field.Required(path.Child("secretFile"), "a file with 32 hexadecimal digits, as openssl rand -hex 16 prints them: the same for all replicas, and never changed"))
	}
	for _, file := range []struct{ field, path string }{
		{"secretFile", l.SecretFile}, {"credentialsFile", l.CredentialsFile}, {"caFile", l.CAFile}, {"certificateFile", l.CertificateFile}, {"keyFile", l.KeyFile},
	} {
		errs = append(errs, secretFile(path.Child(file.field), file.path)...)
	}
	if (l.CertificateFile == "") != (l.KeyFile == "") {
		errs = append(errs, field.Required(path, "certificateFile and keyFile go together: set both or none"))
	}
	errs = append(errs, label(path.Child("instance"), l.Instance)...)
	if l.Next != "" {
		errs = append(errs, label(path.Child("next"), l.Next)...)
	}
	if l.Next == l.Instance {
		errs = append(errs, field.Invalid(path.Child("next"), l.Next, "must be another than instance: the log that lost something is not used any more"))
	}
	if l.Cluster != "" {
		errs = append(errs, label(path.Child("cluster"), l.Cluster)...)
	}
	if l.Replicas != 1 && l.Replicas != 3 && l.Replicas != 5 {
		errs = append(errs, field.Invalid(path.Child("replicas"), l.Replicas, "must be 1, 3 or 5"))
	}
	if l.RetentionDays < leastRetention || l.RetentionDays > mostRetention {
		errs = append(errs, field.Invalid(path.Child("retentionDays"), l.RetentionDays, fmt.Sprintf("must be %d to %d", leastRetention, mostRetention)))
	}
	if l.Backup != nil {
		errs = append(errs, validateBackup(path.Child("backup"), l.Backup)...)
	}
	return errs
}

// secretFile refuses what is no path. Whoever mistakes the field for the secret itself must not find it in the log.
func secretFile(path *field.Path, name string) field.ErrorList {
	if name != "" && !filepath.IsAbs(name) {
		return field.ErrorList{field.Invalid(path, hidden, "must be the absolute path of a file, below /etc/numberfleet/log for example")}
	}
	return nil
}
