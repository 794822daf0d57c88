// A Centrifuge server for comparisons: the public Go library with its Redis broker, configured as
// its product is by default, with the product's HTTP calls publish and broadcast.
//
//	centrifuge -address 127.0.0.1:8100 -redis 127.0.0.1:6379 -key SECRET
//
// Channels "stream:..." have history and recovery (-history-size, ten minutes), others have none.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/centrifugal/centrifuge"
)

var (
	address     = flag.String("address", "127.0.0.1:8100", "where to listen")
	redis       = flag.String("redis", "127.0.0.1:6379", "the Redis server")
	key         = flag.String("key", "bench", "the key of the HTTP API")
	historySize = flag.Int("history-size", 300, "publications that a stream keeps")
)

const historyTTL = 10 * time.Minute

// What the product sets where the library's own default differs.
var config = centrifuge.Config{
	ClientPresenceUpdateInterval: 27 * time.Second,
	ClientStaleCloseDelay:        10 * time.Second,
	HistoryMaxPublicationLimit:   300,
	RecoveryMaxPublicationLimit:  300,
}

func isStream(channel string) bool { return strings.HasPrefix(channel, "stream:") }

type publication struct {
	Channel  string          `json:"channel"`
	Channels []string        `json:"channels"`
	Data     json.RawMessage `json:"data"`
}

func publish(node *centrifuge.Node, channel string, data []byte) (centrifuge.PublishResult, error) {
	if isStream(channel) {
		return node.Publish(channel, data, centrifuge.WithHistory(*historySize, historyTTL))
	}
	return node.Publish(channel, data)
}

type position struct {
	Offset uint64 `json:"offset,omitempty"`
	Epoch  string `json:"epoch,omitempty"`
}

type answer struct {
	Result any `json:"result"`
}

// One call of the HTTP API: the publication goes to its channel, or to each of its channels.
func call(node *centrifuge.Node, w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-API-Key") != *key {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var request publication
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &request) != nil || len(request.Data) == 0 {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	if request.Channel != "" {
		request.Channels = []string{request.Channel}
	}
	results := make([]answer, len(request.Channels))
	for i, channel := range request.Channels {
		result, err := publish(node, channel, request.Data)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		results[i].Result = position{result.Offset, result.Epoch}
	}
	var reply any = answer{map[string]any{"responses": results}}
	if request.Channel != "" {
		reply = results[0]
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply) // a caller that has gone needs no answer
}

func onClient(node *centrifuge.Node, client *centrifuge.Client) {
	client.OnSubscribe(func(e centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
		options := centrifuge.SubscribeOptions{EnableRecovery: isStream(e.Channel), EnablePositioning: isStream(e.Channel)}
		done(centrifuge.SubscribeReply{Options: options}, nil)
	})
	client.OnPublish(func(e centrifuge.PublishEvent, done centrifuge.PublishCallback) {
		result, err := publish(node, e.Channel, e.Data)
		done(centrifuge.PublishReply{Result: &result}, err)
	})
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	flag.Parse()
	node, err := centrifuge.New(config)
	must(err)
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: *redis})
	must(err)
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Prefix: "centrifugo", Shards: []*centrifuge.RedisShard{shard}})
	must(err)
	node.SetBroker(broker)
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) { onClient(node, client) })
	must(node.Run())

	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	api := func(w http.ResponseWriter, r *http.Request) { call(node, w, r) }
	mux.HandleFunc("POST /api/publish", api)
	mux.HandleFunc("POST /api/broadcast", api)
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	server := &http.Server{Addr: *address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	go func() {
		<-stop.Done()
		_ = node.Shutdown(context.Background())
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}
