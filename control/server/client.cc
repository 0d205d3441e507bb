#include "control/server/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "control/server/exit_code.h"
#include "control/server/message.h"

namespace sluice {
namespace {

using OrderedJson = nlohmann::ordered_json;

std::uint64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

Error lost() {
  return Error{ErrorKind::NoDaemon, "connection-lost", "the daemon closed the connection", ""};
}

Error protocol_error(const char* what) {
  return Error{ErrorKind::Failed, "bad-answer", std::string("the daemon's answer ") + what, ""};
}

std::string text_at(const OrderedJson& object, const char* key) {
  const auto place = object.find(key);
  const auto* text = place == object.end() ? nullptr : place->get_ptr<const std::string*>();
  return text != nullptr ? *text : std::string();
}

Reply reply_of(OrderedJson answer) {
  Reply reply;
  const auto error = answer.find("error");
  if (error == answer.end()) {
    reply.result = std::move(answer["result"]);
    return reply;
  }
  reply.error_data = error->value("data", OrderedJson::object());
  ErrorKind kind = ErrorKind::Failed;
  if (const auto exit = reply.error_data.find("exit"); exit != reply.error_data.end()) {
    if (exit->is_number_integer()) kind = error_kind_of(exit->get<int>());
  }
  reply.error = Error{kind, text_at(reply.error_data, "code"), text_at(*error, "message"),
                      text_at(reply.error_data, "where")};
  return reply;
}

}  // namespace

Client::~Client() {
  if (fd_ >= 0) ::close(fd_);
}

Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      input_(std::move(other.input_)),
      scanned_(other.scanned_),
      next_id_(other.next_id_) {}

Result<Client> Client::connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error{ErrorKind::Usage, "socket-path",
                 "socket path of " + std::to_string(path.size()) + " bytes exceeds " +
                     std::to_string(sizeof(address.sun_path) - 1),
                 path};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return Error{ErrorKind::Failed, "socket-failed", std::strerror(errno), path};
  }
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    return Client(fd);
  }
  const int reason = errno;
  ::close(fd);
  if (reason == EACCES || reason == EPERM) {
    return Error{ErrorKind::Failed, "no-permission",
                 "no permission to open the socket; be root or a member of group sluice", path};
  }
  return Error{
      ErrorKind::NoDaemon, "no-daemon",
      std::string("no daemon listens there (") + std::strerror(reason) + "); is sluiced running?",
      path};
}

std::optional<Error> Client::wait_for(short events, std::uint64_t until_ms) {
  for (;;) {
    int wait_ms = -1;
    if (until_ms != 0) {
      const std::uint64_t now = now_ms();
      if (now >= until_ms) {
        return Error{ErrorKind::TimedOut, "timed-out", "no answer in time; --timeout gives it more",
                     ""};
      }
      wait_ms = static_cast<int>(until_ms - now);
    }
    pollfd one{fd_, events, 0};
    const int count = ::poll(&one, 1, wait_ms);
    if (count > 0) return std::nullopt;
    if (count < 0 && errno != EINTR) return lost();
  }
}

std::optional<Error> Client::send_line(const std::string& line, int descriptor,
                                       std::uint64_t until_ms) {
  std::size_t sent = 0;
  while (sent < line.size()) {
    iovec piece{const_cast<char*>(line.data()) + sent, line.size() - sent};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (descriptor >= 0) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* part = CMSG_FIRSTHDR(&header);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(part), &descriptor, sizeof(int));
    }
    const ssize_t size = ::sendmsg(fd_, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size > 0) {
      sent += static_cast<std::size_t>(size);
      descriptor = -1;  // it went with the first byte
    } else if (errno == EAGAIN) {
      if (std::optional<Error> error = wait_for(POLLOUT, until_ms)) return error;
    } else if (errno != EINTR) {
      // A server that refuses the client says so before it closes: that is read next.
      return std::nullopt;
    }
  }
  return std::nullopt;
}

Result<OrderedJson> Client::next_line(std::uint64_t until_ms) {
  for (;;) {
    const std::size_t end = input_.find('\n', scanned_);
    if (end != std::string::npos) {
      OrderedJson line = OrderedJson::parse(
          input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
      input_.erase(0, end + 1);
      scanned_ = 0;
      if (!line.is_object()) return protocol_error("is not a JSON object");
      return line;
    }
    scanned_ = input_.size();
    if (std::optional<Error> error = wait_for(POLLIN, until_ms)) return *error;
    std::array<char, 65'536> piece{};
    const ssize_t size = ::recv(fd_, piece.data(), piece.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return lost();
    input_.append(piece.data(), static_cast<std::size_t>(size));
  }
}

Result<Reply> Client::call(const std::string& method, const nlohmann::json& params,
                           std::uint32_t timeout_ms, int descriptor) {
  const std::uint64_t until_ms = now_ms() + timeout_ms;
  const std::uint64_t id = next_id_++;
  const std::string line =
      to_line({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}}) + "\n";
  if (std::optional<Error> error = send_line(line, descriptor, until_ms)) return *error;
  for (;;) {
    Result<OrderedJson> answer = next_line(until_ms);
    if (!answer) return answer.error();
    const auto place = answer->find("id");
    // An error without an id is about the connection as a whole.
    if (place == answer->end() || (!place->is_null() && *place != id)) continue;
    return reply_of(std::move(*answer));
  }
}

Result<OrderedJson> Client::next_notification() {
  for (;;) {
    Result<OrderedJson> line = next_line(0);
    if (!line) return line.error();
    const auto params = line->find("params");
    if (params != line->end()) return OrderedJson(std::move(*params));
  }
}

}  // namespace sluice
