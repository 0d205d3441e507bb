#include "control/server/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sluice {
namespace {

constexpr int kStreamTurnMs = 50;       // events are handed out at least so often
constexpr int kPreparationTurnMs = 10;  // whether patterns are ready is asked so often
constexpr int kIdleTurnMs = 1'000;      // stalled clients are looked for at least so often
constexpr int kAcceptPauseMs = 200;
constexpr std::uint64_t kTickMs = 1'000;
constexpr int kGoodByeMs = 500;
constexpr std::size_t kLinesPerTurn = 64;  // of one client, before the others have their turn
constexpr std::size_t kAcceptsPerTurn = 16;

void write_and_close(int fd, const std::string& line) {
  const std::string text = line + "\n";
  static_cast<void>(!::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  ::close(fd);
}

}  // namespace

Result<ServerSockets> ServerSockets::open(const std::string& socket,
                                          const std::string& readonly_socket) {
  ServerSockets sockets;
  Result<Listener> control = Listener::open(socket);
  if (!control) return control.error();
  sockets.control = std::move(*control);
  if (!readonly_socket.empty()) {
    Result<Listener> monitor = Listener::open(readonly_socket);
    if (!monitor) return monitor.error();
    sockets.monitor = std::move(*monitor);
  }
  return sockets;
}

Server::Server(ServerSockets sockets, const ServerOptions& options, Handlers& handlers)
    : options_(options), handlers_(handlers), sockets_(std::move(sockets)) {}

Result<std::unique_ptr<Server>> Server::open(const ServerOptions& options, Handlers& handlers) {
  Result<ServerSockets> sockets = ServerSockets::open(options.socket, options.readonly_socket);
  if (!sockets) return sockets.error();
  return std::make_unique<Server>(std::move(*sockets), options, handlers);
}

Server::~Server() {
  for (const auto& [number, client] : clients_) handlers_.watches().forget(number);
}

void Server::run(int stop_fd) {
  while (run_once(kIdleTurnMs, stop_fd)) {
  }
  handlers_.watches().stop_all(sink());
  const std::uint64_t until_ms = steady_now_ms() + kGoodByeMs;
  const auto owes = [](const auto& entry) { return entry.second->wants_output(); };
  flush_all();
  while (std::any_of(clients_.begin(), clients_.end(), owes) && steady_now_ms() < until_ms) {
    ::poll(nullptr, 0, 5);
    flush_all();
  }
}

int Server::wait_ms(int timeout_ms) const {
  for (const auto& [number, client] : clients_) {
    if (client->is_ready() && !is_waiting(number)) return 0;
  }
  if (waiting_) return std::min(timeout_ms, kPreparationTurnMs);
  const int bound_ms = handlers_.watches().has_streams() ? kStreamTurnMs : kIdleTurnMs;
  return std::min(timeout_ms, steady_now_ms() < accept_again_ms_ ? kAcceptPauseMs : bound_ms);
}

// The stop descriptor, the two listeners, then every client in the order of its number.
std::vector<pollfd> Server::poll_list(int stop_fd) const {
  const bool accepts = steady_now_ms() >= accept_again_ms_;
  const short accept_events = accepts ? POLLIN : 0;
  std::vector<pollfd> list = {{stop_fd, POLLIN, 0},
                              {accepts ? sockets_.control.fd() : -1, accept_events, 0},
                              {accepts ? sockets_.monitor.fd() : -1, accept_events, 0}};
  for (const auto& [number, client] : clients_) {
    short events = 0;
    if (client->wants_input()) events |= POLLIN;
    if (client->wants_output()) events |= POLLOUT;
    list.push_back({client->fd(), events, 0});
  }
  return list;
}

bool Server::run_once(int timeout_ms, int stop_fd) {
  std::vector<pollfd> list = poll_list(stop_fd);
  const int ready = ::poll(list.data(), list.size(), wait_ms(timeout_ms));
  tick();
  if (ready < 0 && errno != EINTR) return true;
  std::vector<std::uint64_t> gone;
  std::size_t at = 3;
  for (const auto& [number, client] : clients_) {
    if (!serve(number, *client, list[at++].revents)) gone.push_back(number);
  }
  for (const std::uint64_t number : gone) drop(number);
  answer_put_off();
  handlers_.watches().run(steady_now_ms(), sink());
  flush_all();
  if (list[1].revents != 0) accept_all(sockets_.control, false);
  if (list[2].revents != 0) accept_all(sockets_.monitor, true);
  return list[0].revents == 0;
}

void Server::tick() {
  const std::uint64_t now_ms = steady_now_ms();
  if (!options_.on_tick || now_ms < tick_due_ms_) return;
  tick_due_ms_ = now_ms + kTickMs;
  options_.on_tick();
}

bool Server::serve(std::uint64_t number, Connection& client, short events) {
  if ((events & (POLLERR | POLLNVAL)) != 0) return false;
  const bool is_readable = (events & (POLLIN | POLLHUP)) != 0;
  if (is_readable && !client.input_has_ended() && !client.receive()) return false;
  answer_lines(number, client);
  // Closed on both sides: nobody reads an answer any more.
  return (events & POLLHUP) == 0 || !client.input_has_ended();
}

void Server::answer_lines(std::uint64_t number, Connection& client) {
  for (std::size_t i = 0; i < kLinesPerTurn; ++i) {
    if (is_waiting(number) || !client.is_ready()) return;
    std::optional<ReceivedLine> line = client.next_line();
    if (!line || puts_off(number, client, *line)) return;
    answer(number, client, *line);
    client.close_descriptors();
  }
}

bool Server::puts_off(std::uint64_t number, const Connection& client, ReceivedLine& line) {
  if (waiting_ || client.peer().is_monitor) return false;
  std::unique_ptr<Preparation> preparation =
      Preparation::begin(line.text, client.first_descriptor(), options_.pattern_directory);
  if (preparation == nullptr) return false;
  waiting_ = {number, std::move(line), std::move(preparation)};
  return true;
}

void Server::answer_put_off() {
  if (!waiting_ || !waiting_->preparation->is_done()) return;
  const Waiting ready = std::move(*waiting_);
  waiting_.reset();
  const auto place = clients_.find(ready.client);
  if (place == clients_.end()) return;  // nobody would learn what came of it
  answer(ready.client, *place->second, ready.line);
  place->second->close_descriptors();
}

void Server::answer(std::uint64_t number, Connection& client, const ReceivedLine& line) {
  if (line.is_too_long) {
    client.send(error_line(kInvalidRequest, "too-long",
                           "a message exceeds " + std::to_string(options_.limits.line_max) +
                               " bytes; it was skipped"));
    return;
  }
  if (line.text.find_first_not_of(" \t\r") == std::string::npos) return;
  Caller caller;
  caller.connection = number;
  caller.peer = client.peer();
  caller.take_descriptor = [&client] { return client.take_descriptor(); };
  caller.send = [&client](const std::string& text) { client.send(text); };
  const std::string reply = answer_line(line.text, caller, handlers_);
  if (!reply.empty()) client.send(reply);
}

// Writes what waits, and cuts whoever is done, gone or too slow.
void Server::flush_all() {
  const std::uint64_t now_ms = steady_now_ms();
  std::vector<std::uint64_t> gone;
  for (const auto& [number, client] : clients_) {
    const bool is_alive =
        client->flush(now_ms) && !client->has_stalled(now_ms) && !client->has_never_asked(now_ms);
    const bool is_done = client->input_has_ended() && !client->wants_output() &&
                         !client->has_line() && !is_waiting(number) &&
                         !handlers_.watches().has_streams(number);
    if (!is_alive || is_done) gone.push_back(number);
  }
  for (const std::uint64_t number : gone) drop(number);
}

void Server::drop(std::uint64_t number) {
  handlers_.watches().forget(number);
  clients_.erase(number);
}

Watches::Sink Server::sink() {
  return [this](std::uint64_t number, const std::string& line) {
    const auto place = clients_.find(number);
    if (place != clients_.end()) place->second->send(line);
  };
}

void Server::accept_all(const Listener& listener, bool is_monitor) {
  for (std::size_t i = 0; i < kAcceptsPerTurn; ++i) {
    const int fd = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      add_client(fd, is_monitor);
      continue;
    }
    // Out of descriptors or memory: the client waits in the backlog, the others are served.
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      accept_again_ms_ = steady_now_ms() + kAcceptPauseMs;
    }
    return;
  }
}

std::size_t Server::share_of(bool is_monitor) const {
  if (!sockets_.monitor.is_open()) return options_.clients_max;
  const std::size_t half = options_.clients_max / 2;
  return is_monitor ? half : options_.clients_max - half;
}

void Server::add_client(int fd, bool is_monitor) {
  const auto count = std::count_if(clients_.begin(), clients_.end(), [&](const auto& entry) {
    return entry.second->peer().is_monitor == is_monitor;
  });
  const std::size_t share = share_of(is_monitor);
  if (static_cast<std::size_t>(count) >= share) {
    write_and_close(
        fd, error_line(kApplicationError, "too-many-clients",
                       std::to_string(share) + " connections of this socket are open, no more " +
                           "are taken; close one",
                       ErrorKind::LimitExceeded));
    return;
  }
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    ::close(fd);
    return;
  }
  const Peer peer{credentials.uid, credentials.pid, is_monitor};
  clients_[next_client_++] =
      std::make_unique<Connection>(fd, peer, options_.limits, steady_now_ms());
}

}  // namespace sluice
