#pragma once

// One client of a control socket: bytes in → lines, lines → bytes out, descriptors beside.
//
// Bounded on every side: a line of more than 16 MiB is skipped and reported, a client that does
// not read is told apart by has_stalled(), and no more is read from it while it owes us room.
// Non-blocking; control thread only. Closes its socket and the descriptors that nobody took.

#include <sys/socket.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"

namespace sluice {

// Who is on the other end (SO_PEERCRED), and by which door it came.
struct Peer {
  std::uint32_t uid = 0;
  std::int32_t pid = 0;
  bool is_monitor = false;
};

struct ConnectionLimits {
  std::size_t line_max = kMessageSizeMax;
  std::size_t output_max = 48u << 20;     // more than this waiting: the client is cut
  std::size_t output_calm = 1u << 20;     // more than this waiting: no further request is read
  std::uint64_t stall_max_ms = 30'000;    // output waits and not a byte leaves for so long: cut
  std::uint64_t unasked_max_ms = 60'000;  // monitor: not one request for so long: cut
  std::size_t descriptors_max = 4;        // waiting; more are closed at once
};

// A line without its newline. `is_too_long`: it was skipped, and `text` is empty.
struct ReceivedLine {
  std::string text;
  bool is_too_long = false;
};

class Connection {
 public:
  // Takes the socket over, accepted at `now_ms`.
  Connection(int fd, const Peer& peer, const ConnectionLimits& limits = {},
             std::uint64_t now_ms = 0);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  const Peer& peer() const { return peer_; }

  // Reads what there is, up to a bound. False: the socket failed.
  bool receive();
  // The next whole line; what is left at the end of the input counts as one.
  std::optional<ReceivedLine> next_line();
  // True if next_line() would give one.
  bool has_line() const;
  // The oldest descriptor that was sent along with the line that next_line() gave last; the caller
  // closes it. -1: there is none. A descriptor belongs to the line that holds the last byte it came
  // with.
  int take_descriptor();
  // The one that take_descriptor() would give, which stays the connection's.
  int first_descriptor() const;
  // Closes those of lines that were given: nobody can take them any more.
  void close_descriptors();

  // Adds a line and its newline to what waits. Once more than output_max waits nothing is added:
  // the client counts as stalled from then on, since lines are missing.
  void send(std::string_view line);
  // Writes what the socket takes. False: the peer is gone.
  bool flush(std::uint64_t now_ms);

  // False while a line waits, or room is owed: input is bounded by that.
  bool wants_input() const;
  // True if a request can be answered without any event of the socket.
  bool is_ready() const { return output_size() <= limits_.output_calm && has_line(); }
  bool wants_output() const { return output_at_ < output_.size(); }
  bool input_has_ended() const { return input_has_ended_; }
  // Bytes that are held of lines not yet taken; an endless line does not make it grow.
  std::size_t input_size() const { return input_.size(); }
  std::size_t output_size() const { return output_.size() - output_at_; }
  // True if the client is too slow to be kept.
  bool has_stalled(std::uint64_t now_ms) const;
  // True if it came by the monitor socket and has not sent one whole line in unasked_max_ms.
  bool has_never_asked(std::uint64_t now_ms) const;

 private:
  struct Descriptor {
    int fd = -1;
    std::uint64_t at = 0;  // of the byte it came with, counted from the connection's first
  };

  void take_control_data(msghdr& header);
  void drop_too_long();

  int fd_;
  Peer peer_;
  ConnectionLimits limits_;
  std::string input_;
  std::size_t scanned_ = 0;   // no newline before this
  std::uint64_t taken_ = 0;   // bytes of the stream before input_
  bool is_skipping_ = false;  // inside of a line that is too long
  bool input_has_ended_ = false;
  std::string output_;
  std::size_t output_at_ = 0;  // sent already
  bool has_overflowed_ = false;
  std::uint64_t progress_ms_ = 0;
  std::uint64_t since_ms_;
  bool has_asked_ = false;
  std::deque<Descriptor> descriptors_;
};

}  // namespace sluice
