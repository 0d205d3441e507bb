#include "control/server/listener.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

namespace sluice {
namespace {

constexpr int kBacklog = 64;
constexpr const char* kGroup = "sluice";

Error socket_error(const char* code, const std::string& path, const std::string& what) {
  return Error{ErrorKind::Failed, code, "control socket " + path + ": " + what, path};
}

Error system_error(const std::string& path, const char* what) {
  const int reason = errno;
  return socket_error("socket-failed", path, std::string(what) + ": " + std::strerror(reason));
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool connects(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const sockaddr_un address = address_of(path);
  const int status = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  // EAGAIN: somebody listens, and is too busy to accept.
  const bool is_alive = status == 0 || errno == EAGAIN;
  ::close(fd);
  return is_alive;
}

// Makes room for the socket file, or says why there is none.
std::optional<Error> clear_place(const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return socket_error("socket-path", path,
                        "a path of " + std::to_string(path.size()) + " bytes exceeds " +
                            std::to_string(sizeof(sockaddr_un::sun_path) - 1));
  }
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) {
    if (errno != ENOENT) return system_error(path, "cannot be looked at");
    const std::string directory = std::filesystem::path(path).parent_path().string();
    if (!directory.empty() && ::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
      return system_error(path, "its directory is missing and cannot be made");
    }
    return std::nullopt;
  }
  if (!S_ISSOCK(facts.st_mode)) {
    return socket_error("socket-path", path, "something that is no socket stands there");
  }
  if (connects(path)) {
    return socket_error("socket-in-use", path,
                        "somebody listens on it; is another sluiced running?");
  }
  if (::unlink(path.c_str()) != 0) return system_error(path, "a leftover cannot be removed");
  return std::nullopt;
}

// Binds with nobody but the owner let in, then opens it to the group.
bool bind_for_group(int fd, const std::string& path) {
  const sockaddr_un address = address_of(path);
  const mode_t former = ::umask(0177);
  const int status = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int reason = errno;
  ::umask(former);
  errno = reason;
  if (status != 0) return false;
  if (const group* row = ::getgrnam(kGroup)) {
    // Without the right to give the file away it stays with the own group.
    static_cast<void>(!::chown(path.c_str(), static_cast<uid_t>(-1), row->gr_gid));
  }
  return ::chmod(path.c_str(), 0660) == 0;
}

}  // namespace

Listener::~Listener() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(path_.c_str());
}

Listener::Listener(Listener&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

Listener& Listener::operator=(Listener&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

Result<Listener> Listener::open(const std::string& path) {
  if (std::optional<Error> error = clear_place(path)) return *error;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return system_error(path, "no socket can be made");
  if (!bind_for_group(fd, path)) {
    const Error error = system_error(path, "cannot be bound");
    ::close(fd);
    return error;
  }
  Listener listener;
  listener.fd_ = fd;
  listener.path_ = path;
  if (::listen(fd, kBacklog) != 0) return system_error(path, "cannot listen");
  return listener;
}

}  // namespace sluice
