package server

import (
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// route leads the requests for a model that name no version to one. A catalog has one for each model; it never changes.
type route struct {
	def      *served // never nil
	canary   *served // nil for none, or while it is not ready
	shadow   *served // likewise
	*traffic         // nil for none

	seed       uint64
	header     string // "" to go by the request's id
	toDefault  prometheus.Counter
	toCanary   prometheus.Counter
	translated map[*served][]int // see translate
}

// newRoute makes the route of a model whose ready versions are given from the oldest.
func newRoute(versions []*served, t *traffic, m *Metrics) *route {
	newest := versions[len(versions)-1]
	r := &route{def: newest, traffic: t}
	if t == nil {
		return r
	}
	r.seed, r.header = fnv(offset64, newest.Name), t.header()
	find := func(version string) *served {
		for _, v := range versions {
			if v.Version == version {
				return v
			}
		}
		return nil
	}
	r.def = find(t.Default)
	for _, v := range slices.Backward(versions) {
		if r.def == nil && !t.side(v.Version) {
			r.def = v
		}
	}
	if r.def == nil { // only the canary or the shadow is left: better than nobody
		r.def = newest
	}
	if t.Canary != nil {
		r.canary = find(t.Canary.Version)
	}
	if t.Shadow != nil {
		r.shadow = find(t.Shadow.Version)
	}
	if r.canary != nil {
		r.toDefault = m.canaryRequests.WithLabelValues(r.def.Name, r.def.Version, "default")
		r.toCanary = m.canaryRequests.WithLabelValues(r.canary.Name, r.canary.Version, "canary")
	}
	if r.shadow != nil {
		r.translated = map[*served][]int{r.def: translate(r.def.Labels, r.shadow.Labels)}
		if r.canary != nil {
			r.translated[r.canary] = translate(r.canary.Labels, r.shadow.Labels)
		}
	}
	return r
}

// translate returns for each of the labels the place where to has it, -1 for none; nil when both are the same.
func translate(labels, to []string) []int {
	if slices.Equal(labels, to) {
		return nil
	}
	at := make(map[string]int, len(to))
	for i, l := range to {
		at[l] = i
	}
	out := make([]int, len(labels))
	for i, l := range labels {
		out[i] = -1
		if j, ok := at[l]; ok {
			out[i] = j
		}
	}
	return out
}

// pick returns the version that answers a request, and the one that answers beside it, nil for none.
func (r *route) pick(who caller) (answers, shadow *served) {
	if r.traffic == nil {
		return r.def, nil
	}
	answers = r.def
	if r.canary != nil && r.canary != r.def {
		if below(r.hash(who, "canary"), r.Canary.Percent) {
			answers = r.canary
		}
	}
	if r.shadow != nil && r.shadow != answers && below(mix(r.seed^rand.Uint64()), r.Shadow.Percent) {
		shadow = r.shadow
	}
	return answers, shadow
}

// took counts an answer of pick that was acted on.
func (r *route) took(answers *served) {
	switch {
	case r.toCanary == nil:
	case answers == r.canary:
		r.toCanary.Inc()
	default:
		r.toDefault.Inc()
	}
}

// roleOf says what a version is for: "" when only requests that name it get there. A nil route gives nobody a role.
func (r *route) roleOf(version string) string {
	switch {
	case r == nil:
		return ""
	case r.canary != nil && r.canary.Version == version:
		return "canary " + strconv.FormatFloat(r.Canary.Percent, 'g', -1, 64) + "%"
	case r.shadow != nil && r.shadow.Version == version:
		return "shadow " + strconv.FormatFloat(r.Shadow.Percent, 'g', -1, 64) + "%"
	case r.def.Version == version:
		return "default"
	}
	return ""
}

// hash is the same for the same caller, on every replica, whatever the percentage: who is the canary's at 5 % still is
// at 10 %. A caller of whom nothing is known is somebody else each time.
func (r *route) hash(who caller, rule string) uint64 {
	h := fnv(r.seed, rule)
	if r.header != "" && who.headers != nil {
		if v := who.headers.Peek(r.header); len(v) > 0 {
			return mix(fnv(h, v))
		}
	}
	if who.id != "" {
		return mix(fnv(h, who.id))
	}
	return rand.Uint64()
}

// below reports whether h is in the first percent of all hashes.
func below(h uint64, percent float64) bool {
	return float64(h>>11)/(1<<53)*100 < percent
}

const (
	offset64 = 14695981039346656037
	prime64  = 1099511628211
)

// fnv is FNV-1a of text, begun at h.
func fnv[T string | []byte](h uint64, text T) uint64 {
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * prime64
	}
	return h
}

// mix is splitmix64's last step: FNV alone leaves the high bits of short texts alike.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
