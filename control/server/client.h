#pragma once

// The other end of the control socket, for sluicectl: one request at a time, then its answer or
// its stream. Every wait has an end. One thread.

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace sluice {

// What came back: the result, or an error with the data that the server sent along.
struct Reply {
  nlohmann::ordered_json result;
  std::optional<Error> error;
  nlohmann::ordered_json error_data;
};

class Client {
 public:
  // NoDaemon if there is no socket or nobody listens; Failed if it may not be opened.
  static Result<Client> connect(const std::string& path);
  ~Client();
  Client(Client&& other) noexcept;
  Client& operator=(Client&&) = delete;

  // Asks and waits for the answer. `descriptor`, unless -1, is sent along (SCM_RIGHTS). An Error is
  // of kind TimedOut, or NoDaemon if the daemon went away; what the server answers is in the reply.
  Result<Reply> call(const std::string& method, const nlohmann::json& params,
                     std::uint32_t timeout_ms, int descriptor = -1);
  // The params of the next notification of any stream, whenever it comes.
  Result<nlohmann::ordered_json> next_notification();

 private:
  explicit Client(int fd) : fd_(fd) {}

  std::optional<Error> send_line(const std::string& line, int descriptor, std::uint64_t until_ms);
  // `until_ms` 0: no end.
  Result<nlohmann::ordered_json> next_line(std::uint64_t until_ms);
  std::optional<Error> wait_for(short events, std::uint64_t until_ms);

  int fd_ = -1;
  std::string input_;
  std::size_t scanned_ = 0;
  std::uint64_t next_id_ = 1;
};

}  // namespace sluice
