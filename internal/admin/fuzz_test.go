package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/raftfleet/raftfleet/fleet/view"
	"github.com/raftfleet/raftfleet/internal/fuzzseeds"
)

// Whatever a body is, it is read or refused with a reason, and what was read
// means the same when it is written and read again.
func FuzzDecodeBody(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Bytes("group", []byte(`{"type":"counter","replicas":3,"restore":true}`))
	for name, s := range map[string]string{
		"empty": ``, "no-fields": `{}`, "with-blanks": ` {} `, "two-values": `{"type":"counter"}x`, "number-too-large": `{"replicas":1e99}`,
		"null": `{"type":null}`, "key-in-capitals": `{"TYPE":"kv"}`, "list": `[`, "nested": `{"a":{"b":[`, "not-utf8": "\xff",
		"half-a-surrogate": `"\ud800"`, "key-twice": `{"type":"a","type":"b"}`, "nested-deep": strings.Repeat("[", 4000),
		"huge-number": `{"replicas":` + strings.Repeat("9", 1000) + `}`,
	} {
		seeds.Add(name, []byte(s))
	}
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, b []byte) {
		var v addBody
		err := decodeBody(b, &v)
		for _, e := range []error{err, checkJSON(b)} {
			if e != nil && (KindOf(e) != KindInvalid || RemedyOf(e) == "" || e.Error() == "") {
				t.Fatalf("%q: %v is not a reason", b, e)
			}
		}
		for _, to := range []any{&forgetBody{}, &transferBody{}, &recoverBody{}, &pauseBody{}, &limitsBody{}, &view.WhatIf{}, &struct{}{}} {
			decodeBody(b, to)
		}
		if err != nil {
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var w addBody
		if err := decodeBody(again, &w); err != nil || w != v {
			t.Fatalf("%q was read as %+v and again as %+v (%v)", b, v, w, err)
		}
	})
}

// No request brings the server down, and every answer but profiles and metrics is JSON.
func FuzzRequest(f *testing.F) {
	seeds := fuzzseeds.Seeds{}
	seeds.Add("status", "GET", "/v1/status", []byte{})
	seeds.Add("empty", "", "", []byte{})
	seeds.Add("call", "POST", "/v1/groups/orders/call/add?command_id=0000000000000001-0000000000000002", []byte("1"))
	seeds.Add("call-with-a-malformed-id", "POST", "/v1/groups/orders/call/add?command_id=1-2", []byte("1"))
	seeds.Add("call-with-a-blank-body", "POST", "/v1/groups/orders/call/add?command_id=1-2", []byte(" "))
	seeds.Add("query", "POST", "/v1/groups/orders/query/get", []byte(`"a"`))
	seeds.Add("add", "POST", "/v1/groups/new", []byte(`{"type":"counter","replicas":3}`))
	seeds.Add("add-torn-tail", "POST", "/v1/groups/new", []byte(`{"type":"counter","replicas":3`))
	seeds.Add("remove-and-keep", "DELETE", "/v1/groups/orders?keep=true", []byte{})
	seeds.Add("remove-with-a-malformed-flag", "DELETE", "/v1/groups/orders?keep=maybe", []byte{})
	seeds.Add("drop-archive", "DELETE", "/v1/archives/orders", []byte{})
	seeds.Add("huge-limit", "GET", "/v1/groups?prefix=%00&limit=99999999999999999999", []byte{})
	seeds.Add("highest-event", "GET", "/v1/events?after=18446744073709551615", []byte{})
	seeds.Add("name-of-dots", "POST", "/v1/nodes/%2E%2E/forget", []byte(`{"force":1}`))
	seeds.Add("name-not-utf8", "GET", "/v1/groups/%ff", []byte{})
	seeds.Add("whatif-of-nobody", "POST", "/v1/balance/whatif", []byte(`{"add":[{"zone":"z","count":-1}],"weights":{"":0}}`))
	seeds.Add("limit-without-a-value", "POST", "/v1/balance/limits", []byte(`{"values":{"moves":null}}`))
	seeds.Add("huge-plan", "GET", "/v1/balance/plan?limit=18446744073709551615", []byte{})
	seeds.Add("unknown-path", "GET", "/v1/nothing", []byte{})
	seeds.Add("old-version", "GET", "/v0/status", []byte{})
	seeds.Add("unknown-method", "BREW", "/v1/status", []byte{})
	seeds.Add("long-name", "GET", "/v1/groups/"+strings.Repeat("g", 2000), []byte{})
	fuzzseeds.Keep(f, seeds)
	s, err := NewServer(nothing{}, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/v1/") {
			t.Skip()
		}
		r, err := http.NewRequest(method, "http://localhost/", strings.NewReader(string(body)))
		if err != nil {
			t.Skip()
		}
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		if w.Code >= 300 && w.Code < 400 {
			return // the mux tidies a path
		}
		if !json.Valid(w.Body.Bytes()) || !utf8.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s: the answer is not JSON: %q", method, target, w.Body)
		}
	})
}

// answering is a transport over which one answer comes.
type answering struct {
	status int
	body   []byte
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: http.StatusText(a.status), StatusCode: a.status, Request: r,
		Header: http.Header{"Location": {"http://elsewhere/"}}, Body: io.NopCloser(bytes.NewReader(a.body)),
	}, nil
}

// FuzzAnswer gives a client anything as an answer: what it makes of it is a value, or
// an error of a kind that is known, with a text and a remedy.
func FuzzAnswer(f *testing.F) {
	status, err := json.Marshal(view.Status{Nodes: []view.Node{{Name: "n1"}}})
	if err != nil {
		f.Fatal(err)
	}
	refusal, err := json.Marshal(newError(KindRefused, "wait", "it cannot be now"))
	if err != nil {
		f.Fatal(err)
	}
	seeds := fuzzseeds.Seeds{}
	for name, b := range fuzzseeds.Damaged("status", status) {
		seeds.Add(name, 200, b)
	}
	for name, b := range fuzzseeds.Damaged("refusal", refusal) {
		seeds.Add(name, 409, b)
	}
	seeds.Add("empty", 200, []byte{})
	seeds.Add("empty-refusal", 500, []byte{})
	seeds.Add("refusal-as-a-success", 200, refusal)
	seeds.Add("status-as-a-refusal", 503, status)
	seeds.Add("refusal-of-a-later-version", 418, bytes.Replace(refusal, []byte(KindRefused), []byte("novel"), 1))
	seeds.Add("page-of-something-else", 200, []byte("<html>"))
	seeds.Add("redirect", 302, []byte{})
	seeds.Add("list-for-an-object", 200, []byte("[1]"))
	seeds.Add("nested-deep", 200, bytes.Repeat([]byte("["), 3500))
	fuzzseeds.Keep(f, seeds)
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		if code < 200 || code > 999 {
			t.Skip("net/http gives no such code to a caller")
		}
		c, err := NewClient("localhost", ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c.http.Transport = answering{code, body}
		_, err = c.Status(t.Context())
		for _, err := range []error{err, c.DropArchive(t.Context(), "g")} {
			if err == nil {
				if code != http.StatusOK || !json.Valid(body) {
					t.Fatalf("%d %q passed for a success", code, body)
				}
				continue
			}
			if KindOf(err) == "" || err.Error() == "" {
				t.Fatalf("%d %q: %v has no kind or text", code, body, err)
			}
		}
	})
}
