#pragma once

// What tests of server, publisher and command line share: a folder of their own, a small policy,
// an appliance made of a fake engine, and a client that writes raw bytes.

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/publish.h"
#include "control/server/handlers.h"
#include "control/server/server.h"
#include "tests/control/fake_engine.h"

namespace sluice {

// A web server that the world may ask for HTTPS, and by ssh from sg-admin; DNS is let out.
inline constexpr std::string_view kWebPolicy = R"(
[[vpc]]
id = "vpc-a"
cidrs = ["10.0.0.0/16", "fd00:10::/56"]

[[subnet]]
id = "subnet-front"
vpc = "vpc-a"
cidrs = ["10.0.1.0/24", "fd00:10:0:1::/64"]
network_acl = "acl-front"

[[network_acl]]
id = "acl-front"
vpc = "vpc-a"
ingress = [
  { rule = 90, action = "deny", protocol = "tcp", ports = "0-65535", cidr = "192.0.2.0/24" },
  { rule = 100, action = "allow", protocol = "-1", cidr = "0.0.0.0/0" },
]
egress = [{ rule = 100, action = "allow", protocol = "-1", cidr = "0.0.0.0/0" }]

[[security_group]]
id = "sg-web"
name = "web"
description = "web servers"
vpc = "vpc-a"
ingress = [
  { protocol = "tcp", ports = 443, source = "0.0.0.0/0", description = "HTTPS" },
  { protocol = "tcp", ports = 22, source = "sg-admin", tags = { ticket = "NET-7" } },
  { protocol = "icmp", type = 8, source = "198.51.100.0/24" },
]
egress = [{ protocol = "udp", ports = 53, destination = "0.0.0.0/0" }]

[[security_group]]
id = "sg-admin"
name = "admin"
vpc = "vpc-a"

[[interface]]
id = "eni-web"
subnet = "subnet-front"
mac = "02:00:00:00:01:10"
addresses = ["10.0.1.10", "fd00:10:0:1::10"]
security_groups = ["sg-web"]

[[interface]]
id = "eni-admin"
subnet = "subnet-front"
mac = "02:00:00:00:01:20"
addresses = ["10.0.1.20"]
security_groups = ["sg-admin"]
)";

// Flows of two interfaces, each of a client of its own that has been silent for `number` seconds;
// every third is established.
inline FlowView numbered_flow(std::uint32_t number) {
  FlowView view;
  view.tuple.eni = EniIndex(number % 2);
  view.tuple.local = IpAddr::v4(0x0a00010a);
  view.tuple.remote = IpAddr::v4(0xc6336400 + number);
  view.tuple.local_port = 443;
  view.tuple.remote_port = static_cast<std::uint16_t>(1'024 + number);
  view.phase = number % 3 == 0 ? FlowPhase::Established : FlowPhase::SynSent;
  view.idle_ms = 1'000 * number;
  return view;
}

// A folder that goes with the test.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  std::string write(std::string_view name, std::string_view text) const {
    std::ofstream(file(name), std::ios::binary) << text;
    return file(name);
  }

 private:
  std::string path_;
};

inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A client without manners: bytes in, lines out.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }
  ~RawClient() {
    if (fd_ >= 0) ::close(fd_);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool is_connected() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void end_input() const { ::shutdown(fd_, SHUT_WR); }

  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }
  bool send_with_descriptor(std::string_view bytes, int descriptor) const {
    std::string copy(bytes);
    iovec piece{copy.data(), copy.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &descriptor, sizeof(int));
    return ::sendmsg(fd_, &header, MSG_NOSIGNAL) == static_cast<ssize_t>(copy.size());
  }
  // Nothing: the other side closed, or was silent for 10 s.
  std::optional<std::string> line() {
    for (;;) {
      const std::size_t end = input_.find('\n');
      if (end != std::string::npos) {
        std::string text = input_.substr(0, end);
        input_.erase(0, end + 1);
        return text;
      }
      pollfd one{fd_, POLLIN, 0};
      if (::poll(&one, 1, 10'000) <= 0) return std::nullopt;
      std::array<char, 65'536> piece{};
      const ssize_t size = ::recv(fd_, piece.data(), piece.size(), 0);
      if (size <= 0) return std::nullopt;
      input_.append(piece.data(), static_cast<std::size_t>(size));
    }
  }
  nlohmann::json answer() {
    const std::optional<std::string> text = line();
    return text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
  }
  nlohmann::json ask(std::string_view request) {
    send(std::string(request) + "\n");
    return answer();
  }
  nlohmann::json call(std::string_view method, const nlohmann::json& params = nlohmann::json()) {
    nlohmann::json request = {{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}};
    if (!params.is_null()) request["params"] = params;
    return ask(request.dump());
  }

 private:
  int fd_;
  std::string input_;
};

// Engine, publisher, handlers and a server that runs in a thread of its own.
class ControlRoom : public ::testing::Test {
 protected:
  ControlRoom() { restart_publisher(); }
  ~ControlRoom() override { stop_server(); }

  void restart_publisher(std::size_t policy_memory = kPolicyMemoryDefault) {
    PublishOptions options;
    options.state_directory = folder.file("state");
    options.policy_memory = policy_memory;
    publisher = std::make_unique<Publisher>(engine, registry, options);
  }
  ApplyOutcome apply(std::string_view document) {
    ApplyRequest request;
    request.document = document;
    request.file = "policy.toml";
    return publisher->apply(std::move(request));
  }
  // Whatever the engine is to show must be set before.
  void start_server(const ConnectionLimits& limits = {}, std::size_t clients_max = kClientsMax) {
    handlers = std::make_unique<Handlers>(ApplianceParts{engine, *publisher, nullptr, {}});
    ServerOptions options;
    options.socket = socket();
    options.readonly_socket = monitor();
    options.limits = limits;
    options.clients_max = clients_max;
    Result<std::unique_ptr<Server>> opened = Server::open(options, *handlers);
    ASSERT_TRUE(opened) << opened.error().sentence;
    server = std::move(*opened);
    ASSERT_EQ(::pipe2(stop_pipe.data(), O_CLOEXEC), 0);
    thread = std::thread([this] { server->run(stop_pipe[0]); });
  }
  void stop_server() {
    if (!thread.joinable()) return;
    ASSERT_EQ(::write(stop_pipe[1], "x", 1), 1);
    thread.join();
    server.reset();
    handlers.reset();
    ::close(stop_pipe[0]);
    ::close(stop_pipe[1]);
  }
  std::string socket() const { return folder.file("control.sock"); }
  std::string monitor() const { return folder.file("monitor.sock"); }

  TempFolder folder;
  FakeEngine engine;
  Registry registry;
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<Handlers> handlers;
  std::unique_ptr<Server> server;
  std::array<int, 2> stop_pipe{};
  std::thread thread;
};

}  // namespace sluice
