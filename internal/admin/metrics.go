package admin

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/raftfleet/raftfleet/fleet/view"
)

const scrapeTimeout = 5 * time.Second

// metrics holds what the API counts itself, and where all of it is shown.
type metrics struct {
	registerer prometheus.Registerer
	registered []prometheus.Collector
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	show       http.Handler
}

func newMetrics(node Node, o Options) (*metrics, error) {
	m := &metrics{
		registerer: o.Registerer,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "raftfleet_admin_requests_total",
			Help: "Requests to the admin API by path pattern, method and status.",
		}, []string{"path", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "raftfleet_admin_request_seconds",
			Help:    "How long requests to the admin API took, by path pattern.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2, 10, 60},
		}, []string{"path"}),
	}
	gatherer := o.Gatherer
	if m.registerer == nil {
		own := prometheus.NewRegistry()
		own.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		m.registerer = own
	}
	if gatherer == nil {
		var ok bool
		if gatherer, ok = m.registerer.(prometheus.Gatherer); !ok {
			gatherer = prometheus.DefaultGatherer
		}
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, newFleetCollector(node, o.GroupMetrics)} {
		if err := m.registerer.Register(c); err != nil {
			m.unregister()
			return nil, fmt.Errorf("admin: register metrics: %w (two nodes in one process? give each a Registerer of prometheus.WrapRegistererWith)", err)
		}
		m.registered = append(m.registered, c)
	}
	m.show = promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 8})
	return m, nil
}

// unregister makes room for another server in the same process.
func (m *metrics) unregister() {
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
}

func (m *metrics) observe(pattern, method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete:
	default:
		method = "other" // a caller must not be able to make series
	}
	m.requests.WithLabelValues(pattern, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(pattern).Observe(took.Seconds())
}

func (s *Server) showMetrics(w http.ResponseWriter, r *http.Request) error {
	s.metrics.show.ServeHTTP(w, r)
	return nil
}

// fleetCollector shows the fleet as the node sees it at the moment of the scrape.
// Every node shows the whole fleet, so that one that answers is enough.
type fleetCollector struct {
	node     Node
	byGroup  bool
	mu       sync.Mutex // one look at a time, however many scrape
	all      []*prometheus.Desc
	up       *prometheus.Desc
	ready    *prometheus.Desc
	nodes    *prometheus.Desc
	members  *prometheus.Desc
	leaders  *prometheus.Desc
	alive    *prometheus.Desc
	groups   *prometheus.Desc
	noLeader *prometheus.Desc
	moves    *prometheus.Desc
	lead     *prometheus.Desc
	problems *prometheus.Desc
	hasLead  *prometheus.Desc
	hosted   *prometheus.Desc
}

func newFleetCollector(node Node, byGroup bool) *fleetCollector {
	c := &fleetCollector{node: node, byGroup: byGroup}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		d := prometheus.NewDesc("raftfleet_"+name, help, labels, nil)
		c.all = append(c.all, d)
		return d
	}
	c.up = desc("up", "1 when the node could tell the status of its fleet.")
	c.ready = desc("ready", "1 when the node may get new work.")
	c.nodes = desc("nodes", "Nodes of the fleet by state.", "state")
	c.members = desc("node_members", "Members that a node hosts.", "node", "zone")
	c.leaders = desc("node_leaders", "Leaders that a node hosts.", "node", "zone")
	c.alive = desc("node_alive", "1 when gossip hears the node.", "node", "zone")
	c.groups = desc("groups", "Groups of the fleet.")
	c.noLeader = desc("groups_without_leader", "Groups that have no leader.")
	c.moves = desc("moves_in_flight", "Groups on their way to their target.")
	c.lead = desc("catalogue_has_leader", "1 when the catalogue has a leader.")
	c.problems = desc("problems", "Problems of the fleet by kind.", "kind")
	if byGroup {
		c.hasLead = desc("group_has_leader", "1 when the group has a leader.", "group", "type")
		c.hosted = desc("group_members", "Members of the group.", "group", "type")
	}
	return c
}

func (c *fleetCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.all {
		to <- d
	}
}

func (c *fleetCollector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		// A name that a registry would refuse costs one line, not the scrape.
		if m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, v, labels...); err == nil {
			to <- m
		}
	}
	gauge(c.ready, truth(c.node.Ready() == nil))
	status, err := c.node.Status(ctx)
	joined := err == nil && status.Joining == nil // else it knows no groups, which is not that there are none
	gauge(c.up, truth(joined))
	kinds := make(map[string]int)
	for _, p := range status.Problems {
		kinds[p.Kind]++
	}
	for kind, n := range kinds {
		gauge(c.problems, float64(n), kind)
	}
	if !joined {
		return
	}
	states := map[string]int{"joining": 0, "active": 0, "suspect": 0, "draining": 0, "inactive": 0, "dead": 0}
	for _, n := range status.Nodes {
		states[n.State]++
	}
	for state, n := range states {
		gauge(c.nodes, float64(n), state)
	}
	for _, n := range uniqueNodes(status.Nodes) {
		gauge(c.members, float64(n.Members), n.Name, n.Zone)
		gauge(c.leaders, float64(n.Leaders), n.Name, n.Zone)
		gauge(c.alive, truth(n.Alive), n.Name, n.Zone)
	}
	gauge(c.groups, float64(status.Groups))
	gauge(c.noLeader, float64(status.GroupsWithoutLeader))
	gauge(c.moves, float64(status.MovesInFlight))
	gauge(c.lead, truth(status.Catalogue.Leader != ""))
	if c.byGroup {
		c.collectGroups(ctx, gauge)
	}
}

func (c *fleetCollector) collectGroups(ctx context.Context, gauge func(*prometheus.Desc, float64, ...string)) {
	after := ""
	for {
		page, err := c.node.ListGroups(ctx, "", after, MaxGroupsListed)
		if err != nil || len(page) == 0 || page[len(page)-1].Name <= after {
			return
		}
		for _, g := range page {
			gauge(c.hasLead, truth(g.Leader != ""), g.Name, g.Type)
			gauge(c.hosted, float64(len(g.Members)), g.Name, g.Type)
		}
		after = page[len(page)-1].Name
	}
}

// uniqueNodes gives nodes that bear one name their id for it: two series with
// equal labels would fail the whole scrape.
func uniqueNodes(nodes []view.Node) []view.Node {
	seen := make(map[string]int, len(nodes))
	for _, n := range nodes {
		seen[n.Name]++
	}
	out := make([]view.Node, 0, len(nodes))
	for _, n := range nodes {
		if seen[n.Name] > 1 {
			n.Name = n.ID.String()
		}
		out = append(out, n)
	}
	return out
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
