package simulate

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
)

// builtinScenario is what Generate makes of DefaultSeed and DefaultActions,
// compressed so that the binary stays small.
//
//go:embed testdata/scenario.tsv.gz
var builtinScenario []byte

// Builtin gives the scenario that is compiled in.
func Builtin() ([]Action, error) {
	plain, err := gzip.NewReader(bytes.NewReader(builtinScenario))
	if err != nil {
		return nil, fmt.Errorf("open built-in scenario: %w", err)
	}
	return Parse(plain)
}
