#include "control/server/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice {
namespace {

constexpr std::size_t kReadSize = 256u << 10;
constexpr std::size_t kReadsPerTurn = 16;
constexpr std::size_t kDescriptorsPerRead = 8;

bool would_block() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

Connection::Connection(int fd, const Peer& peer, const ConnectionLimits& limits,
                       std::uint64_t now_ms)
    : fd_(fd), peer_(peer), limits_(limits), since_ms_(now_ms) {}

Connection::~Connection() {
  for (const Descriptor& descriptor : descriptors_) ::close(descriptor.fd);
  ::close(fd_);
}

bool Connection::receive() {
  for (std::size_t i = 0; i < kReadsPerTurn; ++i) {
    const std::size_t size_before = input_.size();
    input_.resize(size_before + kReadSize);
    iovec piece{input_.data() + size_before, kReadSize};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kDescriptorsPerRead * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(fd_, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    input_.resize(size_before + (size > 0 ? static_cast<std::size_t>(size) : 0));
    if (size < 0) return would_block();
    if (size == 0) {
      input_has_ended_ = true;
      return true;
    }
    take_control_data(header);
    // What is whole is answered before more is taken in.
    scanned_ = std::min(input_.find('\n', scanned_), input_.size());
    if (scanned_ < input_.size()) return true;
    drop_too_long();
  }
  return true;
}

void Connection::take_control_data(msghdr& header) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      if (descriptors_.size() < limits_.descriptors_max) {
        descriptors_.push_back({descriptor, taken_ + input_.size() - 1});
      } else {
        ::close(descriptor);
      }
    }
  }
}

// The part of an endless line that came so far is forgotten, so that it cannot fill the memory.
void Connection::drop_too_long() {
  if (input_.size() <= limits_.line_max && !is_skipping_) return;
  is_skipping_ = true;
  taken_ += input_.size();
  input_.clear();
  input_.shrink_to_fit();
  scanned_ = 0;
}

bool Connection::has_line() const {
  if (input_has_ended_) return !input_.empty() || is_skipping_;
  return input_.find('\n', scanned_) != std::string::npos;
}

std::optional<ReceivedLine> Connection::next_line() {
  close_descriptors();
  const std::size_t end = input_.find('\n', scanned_);
  if (end == std::string::npos) {
    scanned_ = input_.size();
    if (!input_has_ended_ || (input_.empty() && !is_skipping_)) return std::nullopt;
    const bool is_too_long = std::exchange(is_skipping_, false) || input_.size() > limits_.line_max;
    scanned_ = 0;
    taken_ += input_.size();
    std::string text = std::exchange(input_, std::string());
    return ReceivedLine{is_too_long ? std::string() : std::move(text), is_too_long};
  }
  const bool is_too_long = std::exchange(is_skipping_, false) || end > limits_.line_max;
  ReceivedLine line{is_too_long ? std::string() : input_.substr(0, end), is_too_long};
  has_asked_ = true;
  input_.erase(0, end + 1);
  taken_ += end + 1;
  scanned_ = 0;
  return line;
}

int Connection::first_descriptor() const {
  const bool has_one = !descriptors_.empty() && descriptors_.front().at < taken_;
  return has_one ? descriptors_.front().fd : -1;
}

int Connection::take_descriptor() {
  const int descriptor = first_descriptor();
  if (descriptor >= 0) descriptors_.pop_front();
  return descriptor;
}

void Connection::close_descriptors() {
  for (int descriptor = take_descriptor(); descriptor >= 0; descriptor = take_descriptor()) {
    ::close(descriptor);
  }
}

void Connection::send(std::string_view line) {
  if (output_size() > limits_.output_max) {
    has_overflowed_ = true;
    return;
  }
  output_ += line;
  output_ += '\n';
}

bool Connection::flush(std::uint64_t now_ms) {
  if (!wants_output()) progress_ms_ = now_ms;
  while (wants_output()) {
    const ssize_t size = ::send(fd_, output_.data() + output_at_, output_.size() - output_at_,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0) return would_block();
    output_at_ += static_cast<std::size_t>(size);
    progress_ms_ = now_ms;
  }
  output_.clear();
  output_at_ = 0;
  if (output_.capacity() > limits_.output_calm) output_.shrink_to_fit();
  return true;
}

bool Connection::wants_input() const {
  return !input_has_ended_ && output_size() <= limits_.output_calm && !has_line();
}

bool Connection::has_stalled(std::uint64_t now_ms) const {
  if (has_overflowed_ || output_size() > limits_.output_max) return true;
  return wants_output() && now_ms > progress_ms_ + limits_.stall_max_ms;
}

bool Connection::has_never_asked(std::uint64_t now_ms) const {
  return peer_.is_monitor && !has_asked_ && now_ms > since_ms_ + limits_.unasked_max_ms;
}

}  // namespace sluice
