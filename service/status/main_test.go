package status_test

import (
	"testing"

	"minitwit/service/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
