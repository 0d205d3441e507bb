// Lines of the control protocol, as a hostile client may send them: whatever the bytes, there is
// one answer of one line at most, and it is JSON. What a request does is not asked here.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "control/explain/query.h"
#include "control/server/message.h"
#include "control/server/rpc.h"

namespace sluice {
namespace {

// Reads its parameters the way `explain` does, and fails now and then.
class FuzzedHandler : public RequestHandler {
 public:
  Answer handle(const RequestRow& row, const nlohmann::json& params, const Caller&) override {
    const Result<PacketQuery> query = parse_query(params);
    if (!query && row.method == "explain") return Answer::failed(query.error());
    return Answer{nlohmann::ordered_json(params), std::nullopt, {}};
  }
};

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  sluice::FuzzedHandler handler;
  const std::string answer = sluice::answer_line(text, sluice::Caller(), handler);
  CHECK(answer.find('\n') == std::string::npos);
  CHECK(answer.empty() || nlohmann::json::accept(answer));
  return 0;
}
