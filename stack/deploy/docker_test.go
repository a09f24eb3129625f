package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The words are the engine's.
func TestWhatPassesIsTriedAgain(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]int{
		"rpc error: code = Unknown desc = The swarm does not have a leader.":                                                 2,
		"failed to update secret minitwit_session_key: Error response from daemon: rpc error: desc = update out of sequence": 2,
		"failed to update config minitwit_x: only updates to Labels are allowed":                                             1,
	} {
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			err := patiently(t.Context(), func() error {
				if tries++; tries < 2 {
					return errors.New(said)
				}
				return nil
			})
			if tries != want || (err == nil) != (want == 2) {
				t.Errorf("%s: %d tries, %v; want %d", said, tries, err, want)
			}
		})
	}
}

func TestWhatDoesNotPassIsGivenUpAfterAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := patiently(t.Context(), func() error { return errors.New("update out of sequence") })
		if took := time.Since(began); err == nil || took < time.Minute || took > 2*time.Minute {
			t.Errorf("%v after %v, want its error after a minute", err, took)
		}
	})
}
