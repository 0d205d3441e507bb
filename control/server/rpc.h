#pragma once

// JSON-RPC 2.0 over single lines: a request's text → the text of its answer. Knows the rules of
// the protocol and the table of requests; what a request does is the handlers' business.
//
// Control thread. Never throws, whatever the text.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "control/policy/finding.h"
#include "control/server/connection.h"
#include "control/server/requests.h"

namespace sluice {

// Codes of the standard; whatever a request itself answers is kApplicationError.
inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternalError = -32603;
inline constexpr int kApplicationError = -32000;

// Findings of one answer; what does not fit is told by its number.
inline constexpr std::size_t kFindingsSizeMax = 8u << 20;
inline constexpr std::size_t kBatchMax = 1'000;  // requests in one array

// Who asks.
struct Caller {
  std::uint64_t connection = 0;
  Peer peer;
  std::function<int()> take_descriptor;               // as Connection::take_descriptor
  std::function<void(const std::string& line)> send;  // a line ahead of the answer
};

// A result, or an error with the findings that explain it.
struct Answer {
  nlohmann::ordered_json result;
  std::optional<Error> error;
  std::vector<Finding> findings;

  static Answer failed(Error why) { return Answer{nullptr, std::move(why), {}}; }
};

// What a request does. `params` has passed check_params(). What it throws (memory that is not
// there, say) becomes the error kInternalError of that request.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  virtual Answer handle(const RequestRow& row, const nlohmann::json& params,
                        const Caller& caller) = 0;
};

// The line to send back; empty if nothing is to be said (notifications).
std::string answer_line(std::string_view line, const Caller& caller, RequestHandler& handler);

// {"jsonrpc","method","params"}: a line of a stream.
std::string notification_line(std::string_view method, nlohmann::ordered_json params);
// An error that no request of the client's led to, or whose id is not known.
std::string error_line(int code, std::string_view word, std::string_view sentence,
                       ErrorKind kind = ErrorKind::Usage);

}  // namespace sluice
