#pragma once

// The control sockets' loop: many clients, one thread, no client able to hold up another for
// longer than its own request takes, or to make the daemon end.
//
// Control thread only. Requests are answered in the order in which each client sent them.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "control/server/connection.h"
#include "control/server/handlers.h"
#include "control/server/listener.h"
#include "control/server/preparation.h"

struct pollfd;

namespace sluice {

struct ServerOptions {
  std::string socket;           // control: takes every request
  std::string readonly_socket;  // monitor: refuses what changes; empty: there is none
  // Of both sockets together. Where there is a monitor socket each has half of them to itself: no
  // monitor can keep an operator out.
  std::size_t clients_max = kClientsMax;
  ConnectionLimits limits;
  std::string pattern_directory;  // where compiled patterns are kept; empty: nowhere
  std::function<void()> on_tick;  // called about once a second by run() and run_once()
};

// Both listening sockets, before anybody serves them: clients that come meanwhile wait.
struct ServerSockets {
  Listener control;
  Listener monitor;  // not open where no path was given

  // Errors name the path (Listener::open).
  static Result<ServerSockets> open(const std::string& socket, const std::string& readonly_socket);
};

class Server {
 public:
  // Serves sockets that are open already. `handlers` outlives the server.
  Server(ServerSockets sockets, const ServerOptions& options, Handlers& handlers);
  // Opens both sockets of the options itself.
  static Result<std::unique_ptr<Server>> open(const ServerOptions& options, Handlers& handlers);
  // Ends all streams, says good-bye to nobody, removes the socket files.
  ~Server();

  // Serves until `stop_fd` is readable (it is not read), then ends every stream with a line and
  // gives clients a moment to take what waits for them.
  void run(int stop_fd);
  // One turn: waits up to `timeout_ms`, answers what has come. False: `stop_fd` is readable. -1
  // stands for no such descriptor.
  bool run_once(int timeout_ms, int stop_fd = -1);

  std::size_t client_count() const { return clients_.size(); }

 private:
  std::vector<pollfd> poll_list(int stop_fd) const;
  int wait_ms(int timeout_ms) const;
  void accept_all(const Listener& listener, bool is_monitor);
  void add_client(int fd, bool is_monitor);
  std::size_t share_of(bool is_monitor) const;
  // False: the client is gone or must go.
  bool serve(std::uint64_t number, Connection& client, short events);
  void answer_lines(std::uint64_t number, Connection& client);
  // True if the line waits until its patterns are compiled; others are answered meanwhile.
  bool puts_off(std::uint64_t number, const Connection& client, ReceivedLine& line);
  void answer_put_off();
  bool is_waiting(std::uint64_t number) const { return waiting_ && waiting_->client == number; }
  void answer(std::uint64_t number, Connection& client, const ReceivedLine& line);
  void flush_all();
  void tick();
  void drop(std::uint64_t number);
  Watches::Sink sink();

  // A request whose patterns are being compiled. One at a time.
  struct Waiting {
    std::uint64_t client;
    ReceivedLine line;
    std::unique_ptr<Preparation> preparation;
  };

  ServerOptions options_;
  Handlers& handlers_;
  ServerSockets sockets_;
  std::map<std::uint64_t, std::unique_ptr<Connection>> clients_;  // by number, never reused
  std::optional<Waiting> waiting_;
  std::uint64_t next_client_ = 1;
  std::uint64_t accept_again_ms_ = 0;  // out of descriptors: no accept before this
  std::uint64_t tick_due_ms_ = 0;
};

}  // namespace sluice
