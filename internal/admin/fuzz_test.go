package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/raftfleet/raftfleet/fleet/view"
)

// Whatever a body is, it is read or refused with a reason, and what was read
// means the same when it is written and read again.
func FuzzDecodeBody(f *testing.F) {
	for _, s := range []string{
		``, `{}`, ` {} `, `{"type":"counter","replicas":3}`, `{"type":"counter","replicas":3,"restore":true}x`, `{"replicas":1e99}`,
		`{"type":null}`, `{"TYPE":"kv"}`, `[`, `{"a":{"b":[`, "\xff", `"\ud800"`, `{"type":"a","type":"b"}`, strings.Repeat("[", 20000),
	} {
		f.Add([]byte(s))
	}
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
	f.Add("GET", "/v1/status", []byte(nil))
	f.Add("POST", "/v1/groups/orders/call/add?command_id=1-2", []byte("1"))
	f.Add("POST", "/v1/groups/new", []byte(`{"type":"counter","replicas":3}`))
	f.Add("DELETE", "/v1/groups/orders?keep=true", []byte(nil))
	f.Add("GET", "/v1/groups?prefix=%00&limit=99999999999999999999", []byte(nil))
	f.Add("GET", "/v1/events?after=18446744073709551615", []byte(nil))
	f.Add("POST", "/v1/balance/whatif", []byte(`{"add":[{"zone":"z","count":-1}],"weights":{"":0}}`))
	f.Add("POST", "/v1/balance/limits", []byte(`{"values":{"moves":null}}`))
	f.Add("GET", "/v1/balance/plan?limit=18446744073709551615", []byte(nil))
	f.Add("POST", "/v1/nodes/%2E%2E/forget", []byte(`{"force":1}`))
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
