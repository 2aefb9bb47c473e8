package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const withLedger = "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\n"

func TestTheLedger(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Ledger
	}{
		"what is left out": {"", Ledger{Engine: EmbeddedEngine}},
		"the least": {"ledger: {engine: Log, log: {servers: [\"tls://nats.nats.svc:4222\"], secretFile: /etc/numberfleet/log/secret}}", Ledger{Engine: LogEngine, Log: &Log{
			Servers: []string{"tls://nats.nats.svc:4222"}, SecretFile: "/etc/numberfleet/log/secret", Instance: "main", Replicas: 3, RetentionDays: 38, RequireSync: new(true),
		}}},
		"complete": {"ledger: {engine: Log, log: {servers: [\"nats://a\", \"nats://b:1\"], secretFile: /s, credentialsFile: /c, caFile: /ca, certificateFile: /crt, keyFile: /key, " +
			"instance: shop, next: shop-2, replicas: 5, retentionDays: 3, requireSync: false}}", Ledger{Engine: LogEngine, Log: &Log{
			Servers: []string{"nats://a", "nats://b:1"}, SecretFile: "/s", CredentialsFile: "/c", CAFile: "/ca", CertificateFile: "/crt", KeyFile: "/key",
			Instance: "shop", Next: "shop-2", Replicas: 5, RetentionDays: 3, RequireSync: new(false),
		}}},
		"the least back-up": {"ledger: {engine: Log, log: {servers: [\"tls://nats\"], secretFile: /s, backup: {bucket: fleet}}}", Ledger{Engine: LogEngine, Log: &Log{
			Servers: []string{"tls://nats"}, SecretFile: "/s", Instance: "main", Replicas: 3, RetentionDays: 38, RequireSync: new(true),
			Backup: &Backup{Bucket: "fleet", Region: "us-east-1", PathStyle: new(false), EveryMinutes: 60},
		}}},
		"a complete back-up": {"ledger: {engine: Log, log: {servers: [\"tls://nats\"], secretFile: /s, backup: {bucket: fleet, prefix: production/, endpoint: \"https://s3:9000\", region: eu, " +
			"caFile: /ca, accessKeyIDFile: /id, secretAccessKeyFile: /key, encryption: \"aws:kms\", kmsKeyID: k, everyMinutes: 5}}}", Ledger{Engine: LogEngine, Log: &Log{
			Servers: []string{"tls://nats"}, SecretFile: "/s", Instance: "main", Replicas: 3, RetentionDays: 38, RequireSync: new(true),
			Backup: &Backup{
				Bucket: "fleet", Prefix: "production/", Endpoint: "https://s3:9000", Region: "eu", PathStyle: new(true), CAFile: "/ca",
				AccessKeyIDFile: "/id", SecretAccessKeyFile: "/key", Encryption: EncryptionByKMS, KMSKeyID: "k", EveryMinutes: 5,
			},
		}}},
	} {
		config, err := Parse([]byte(withLedger + c.text))
		if err != nil || !reflect.DeepEqual(config.Ledger, c.want) {
			t.Errorf("%s: it is read as %+v, %v", name, config, err)
		}
	}
	if kept := (&Log{RetentionDays: 38}).Retention(); kept != 912*time.Hour {
		t.Errorf("38 days are %s", kept)
	}
}

func TestMistakesAboutTheLedgerAreNamed(t *testing.T) {
	log := func(more string) string {
		return "{engine: Log, log: {servers: [\"tls://nats:4222\"], secretFile: /s, " + more + "}}"
	}
	backup := func(more string) string { return log("backup: {bucket: fleet, " + more + "}") }
	for name, c := range map[string]struct{ text, want string }{
		"an unknown field":           {"{engin: Log}", `unknown field "ledger.engin"`},
		"another engine":             {"{engine: Pebble}", `ledger.engine: Unsupported value: "Pebble": supported values: "Embedded", "Log"`},
		"a log of no use":            {"{log: {servers: [\"tls://a\"], secretFile: /s}}", "ledger.log: Forbidden: is of the engine Log: set engine to Log, or leave log out"},
		"no log":                     {"{engine: Log}", "ledger.log: Required value: with the engine Log, its servers and its secretFile"},
		"no servers":                 {"{engine: Log, log: {secretFile: /s}}", "ledger.log.servers: Required value: URLs of the nodes of NATS, like tls://nats.nats.svc:4222"},
		"too many servers":           {"{engine: Log, log: {secretFile: /s, servers: [" + strings.Repeat("\"tls://a\",", 17) + "]}}", "ledger.log.servers: Too many: 17"},
		"another protocol":           {"{engine: Log, log: {secretFile: /s, servers: [\"https://a\"]}}", "ledger.log.servers[0]: Invalid value: \"(not shown)\": must be written like tls://"},
		"a password":                 {"{engine: Log, log: {secretFile: /s, servers: [\"nats://a:EAAx@b\"]}}", "ledger.log.servers[0]: Invalid value: \"(not shown)\""},
		"no secret":                  {"{engine: Log, log: {servers: [\"tls://a\"]}}", "ledger.log.secretFile: Required value: a file with 32 hexadecimal digits"},
		"the secret itself":          {"{engine: Log, log: {servers: [\"tls://a\"], secretFile: EAAx}}", "ledger.log.secretFile: Invalid value: \"(not shown)\": must be the absolute path"},
		"credentials themselves":     {log("credentialsFile: EAAx"), "ledger.log.credentialsFile: Invalid value: \"(not shown)\""},
		"a certificate without key":  {log("certificateFile: /c"), "certificateFile and keyFile go together"},
		"a key without certificate":  {log("keyFile: /k"), "certificateFile and keyFile go together"},
		"an instance":                {log("instance: My Shop"), `ledger.log.instance: Invalid value: "My Shop"`},
		"a next instance":            {log("next: My Shop"), `ledger.log.next: Invalid value: "My Shop"`},
		"the same instance next":     {log("next: main"), `ledger.log.next: Invalid value: "main": must be another than instance`},
		"two copies":                 {log("replicas: 2"), "ledger.log.replicas: Invalid value: 2: must be 1, 3 or 5"},
		"a short retention":          {log("retentionDays: 2"), "ledger.log.retentionDays: Invalid value: 2: must be 3 to 366"},
		"a retention without an end": {log("retentionDays: 367"), "ledger.log.retentionDays: Invalid value: 367"},
		"no bucket":                  {log("backup: {}"), "ledger.log.backup.bucket: Required value"},
		"a bucket with a path":       {log("backup: {bucket: fleet/main}"), `ledger.log.backup.bucket: Invalid value: "fleet/main"`},
		"a prefix":                   {backup("prefix: /main"), `ledger.log.backup.prefix: Invalid value: "/main"`},
		"an endpoint without scheme": {backup("endpoint: \"s3:9000\""), `ledger.log.backup.endpoint: Invalid value: "(not shown)": must be written like https://`},
		"an endpoint with a path":    {backup("endpoint: \"https://s3/fleet\""), "ledger.log.backup.endpoint: Invalid value"},
		"a password in an endpoint":  {backup("endpoint: \"https://id:EAAx@s3\""), "ledger.log.backup.endpoint: Invalid value"},
		"certificates in the clear":  {backup("endpoint: \"http://s3\", caFile: /ca"), "ledger.log.backup.caFile: Forbidden"},
		"half an access key":         {backup("accessKeyIDFile: /id"), "ledger.log.backup: Required value: accessKeyIDFile and secretAccessKeyFile go together"},
		"an access key itself":       {backup("accessKeyIDFile: /id, secretAccessKeyFile: EAAx"), `ledger.log.backup.secretAccessKeyFile: Invalid value: "(not shown)"`},
		"another encryption":         {backup("encryption: KMS"), `ledger.log.backup.encryption: Unsupported value: "KMS": supported values: "AES256", "aws:kms"`},
		"a key of no encryption":     {backup("kmsKeyID: k"), "ledger.log.backup.kmsKeyID: Forbidden: is of the encryption aws:kms"},
		"too often":                  {backup("everyMinutes: 4"), "ledger.log.backup.everyMinutes: Invalid value: 4: must be 5 to 120"},
		"too seldom":                 {backup("everyMinutes: 121"), "ledger.log.backup.everyMinutes: Invalid value: 121"},
	} {
		_, err := Parse([]byte(withLedger + "ledger: " + c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "EAAx") {
			t.Errorf("%s: the error is %v, not %s", name, err, c.want)
		}
	}
}

// The secret is 16 bytes in hex, and nothing else; what is wrong with it does not give it away.
func TestTheSecretOfTheLog(t *testing.T) {
	const digits = "000102030405060708090A0b0c0d0e0f"
	log := Log{SecretFile: filepath.Join(t.TempDir(), "secret")}
	if _, err := log.Secret(); err == nil || !strings.HasPrefix(err.Error(), "ledger.log.secretFile ") {
		t.Errorf("without a file: %v", err)
	}
	for content, ok := range map[string]bool{
		digits: true, digits + "\n": true, digits + "00": false, digits[:30]: false, digits[:31] + "x": false, digits[:31]: false, "0123456789abcdef": false,
	} {
		if err := os.WriteFile(log.SecretFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := log.Secret()
		switch {
		case ok && (err != nil || key != [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}):
			t.Errorf("%q: it is %x, %v", content, key, err)
		case !ok && (err == nil || !strings.Contains(err.Error(), "must hold 32 hexadecimal digits, as openssl rand -hex 16 prints them") || strings.Contains(err.Error(), "0001")):
			t.Errorf("%q: the error is %v", content, err)
		}
	}
}
