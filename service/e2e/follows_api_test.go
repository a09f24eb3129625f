package e2e

import (
	"net/http"
	"slices"
	"testing"
)

func TestFollowAndUnfollowAreIdempotent(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna", "ben", "carl")
	for i, step := range []struct {
		change func(who, whom string)
		whom   string
		want   []string
	}{
		{c.unfollow, "ben", []string{}},
		{c.follow, "ben", []string{"ben"}},
		{c.follow, "ben", []string{"ben"}},
		{c.follow, "carl", []string{"ben", "carl"}},
		{c.unfollow, "ben", []string{"carl"}},
		{c.unfollow, "ben", []string{"carl"}},
		{c.unfollow, "carl", []string{}},
		{c.follow, "ben", []string{"ben"}},
	} {
		step.change("anna", step.whom)
		got := c.follows("anna")
		if slices.Sort(got); !slices.Equal(got, step.want) {
			t.Errorf("after step %d, about %s, anna follows %q, want %q", i, step.whom, got, step.want)
		}
	}
	if got := c.follows("ben"); len(got) != 0 {
		t.Errorf("ben, whom others follow, follows %q himself", got)
	}
}

func TestOfBothKeysFollowCounts(t *testing.T) {
	t.Parallel()
	c := newAPI(t, serve(t, options{}))
	c.register("anna", "ben", "carl")
	c.follow("anna", "carl")
	for _, body := range []string{
		`{"follow":"ben","unfollow":"carl"}`,
		`{"unfollow":"carl","follow":"ben"}`,
		`{"unfollow":"carl","follow":"ben","more":[1,{}]}`,
	} {
		c.wants("/fllws/anna", body, http.StatusNoContent, "")
		got := c.follows("anna")
		if slices.Sort(got); !slices.Equal(got, []string{"ben", "carl"}) {
			t.Errorf("anna follows %q after %s, want ben and carl", got, body)
		}
	}
}
