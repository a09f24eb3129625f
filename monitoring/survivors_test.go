package monitoring_test

const (
	whole  = "what is counted are whole ones"
	once   = "there is one of them; max and min only drop labels"
	second = "a second more or less in a day"
	aByte  = "a byte more or less"
)

// survivors are the mutants that no test can notice, or need not, and why.
var survivors = map[string]string{
	"BackupTooOld: 0 becomes 1 (1)":                     second,
	"CertificateExpires: min becomes max (1)":           once,
	"CertificateExpiresSoon: min becomes max (1)":       once,
	"ClockSkew: max becomes min (1)":                    once,
	"CrashLooping: 3.5 becomes 3.85 (1)":                whole,
	"DatabaseConnectionsExhausted: max becomes min (2)": "every exporter asks the same database",
	"DatabaseConnectionsExhausted: max becomes min (3)": "every exporter asks the same database",
	"DiskFillsSoon: 0 becomes -1 (1)":                   aByte,
	"DiskFillsSoon: 0 becomes 1 (1)":                    aByte,
	"DiskFillsSoon: < becomes <= (1)":                   aByte,
	"EndpointDown: for becomes 1250ms (1)":              "it is evaluated every 5 s",
	"NotificationsFailing: 1.5 becomes 1.35 (1)":        whole,
	"NotificationsFailing: 1.5 becomes 1.65 (1)":        whole,
	"QuorumLost: 0.5 becomes 0.45 (1)":                  "no share of fewer than nine nodes lies between",
	"minitwit:slo_bad:rate1m: < becomes <= (1)":         "where both are equal it gives the same figure",
}
