package status

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are what the metrics of one surface's requests say. All but inFlight only grow.
type counts struct {
	inFlight float64
	answers  map[kind]float64
	total    float64
	bounds   []float64 // of the histogram's buckets, in seconds
	below    []float64 // requests on all routes that took at most bounds[i]
}

// kind is a kind of answer, by the labels of minitwit_http_requests_total.
type kind struct{ method, route, code string }

// read takes the counts from the metrics, but for what only probes asked. What cannot be gathered
// counts as nothing.
func read(metrics prometheus.Gatherer) counts {
	c := counts{answers: make(map[kind]float64)}
	families, _ := metrics.Gather() // with an error it still gives the others
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			label := make(map[string]string)
			for _, l := range metric.GetLabel() {
				label[l.GetName()] = l.GetValue()
			}
			if label["route"] == "probe" {
				continue
			}
			switch family.GetName() {
			case "minitwit_http_requests_in_flight":
				c.inFlight += metric.GetGauge().GetValue()
			case "minitwit_http_requests_total":
				c.answers[kind{label["method"], label["route"], label["code"]}] += metric.GetCounter().GetValue()
			case "minitwit_http_request_duration_seconds":
				c.total += float64(metric.GetHistogram().GetSampleCount())
				for i, bucket := range metric.GetHistogram().GetBucket() {
					c.bucket(i, bucket.GetUpperBound(), float64(bucket.GetCumulativeCount()))
				}
			}
		}
	}
	return c
}

// bucket adds a route's bucket. All routes have the same bounds.
func (c *counts) bucket(i int, bound, below float64) {
	if i == len(c.bounds) {
		c.bounds, c.below = append(c.bounds, bound), append(c.below, 0)
	}
	c.below[i] += below
}

// since gives what has been counted since an earlier moment.
func (c counts) since(then counts) counts {
	d := counts{inFlight: c.inFlight, answers: make(map[kind]float64), total: c.total - then.total, bounds: c.bounds, below: slices.Clone(c.below)}
	for i := range then.below {
		d.below[i] -= then.below[i]
	}
	for k, n := range c.answers {
		if n -= then.answers[k]; n > 0 {
			d.answers[k] = n
		}
	}
	return d
}

// answered counts the answers whose status begins like that.
func (c counts) answered(code string) (n float64) {
	for k, count := range c.answers {
		if strings.HasPrefix(k.code, code) {
			n += count
		}
	}
	return n
}

// quantile estimates, in seconds, how long the fastest share q of the requests took at
// most. It does as Prometheus's histogram_quantile does, so that this page and a
// dashboard say the same. There has to be a request.
func (c counts) quantile(q float64) float64 {
	rank := q * c.total
	i, _ := slices.BinarySearch(c.below, rank)
	if i == len(c.below) {
		return c.bounds[i-1] // slower than the last bound: more is not known
	}
	start, before := 0., 0.
	if i > 0 {
		start, before = c.bounds[i-1], c.below[i-1]
	}
	return start + (c.bounds[i]-start)*(rank-before)/(c.below[i]-before)
}
