#include "dataplane/eal.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <rte_eal.h>
#include <rte_errno.h>
#include <unistd.h>

#include "dataplane/dpdk_log.h"

namespace sluice {
namespace {

constexpr std::size_t kMiB = 1u << 20;
constexpr std::string_view kPrefix = "sluice-";  // of DPDK's directory; our process id follows

std::string own_prefix() { return std::string(kPrefix) + std::to_string(getpid()); }

std::uint64_t read_number(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return 0;
  unsigned long long number = 0;
  if (std::fscanf(file, "%llu", &number) != 1) number = 0;
  std::fclose(file);
  return number;
}

std::string mebibytes(std::size_t size) {
  return std::to_string((size + kMiB - 1) / kMiB) + " MiB";
}

// Whether to use huge pages; an error if they are required and there are too few.
Result<bool> choose_huge_pages(const EalOptions& options) {
  if (options.huge_pages == HugePages::Never) return false;
  const std::size_t free = free_huge_memory();
  if (free >= options.memory_size && free > 0) return true;
  if (options.huge_pages == HugePages::Auto) return false;
  return Error{ErrorKind::Failed, "no-huge-pages",
               "huge pages are required: " + mebibytes(options.memory_size) + " are needed, " +
                   mebibytes(free) +
                   " are free (reserve some in /sys/kernel/mm/hugepages, or set huge_pages = "
                   "\"auto\")",
               "engine.huge_pages"};
}

std::vector<std::string> eal_words(const EalOptions& options, bool huge_pages) {
  std::vector<std::string> words = {
      "sluiced",        "--lcores",      "0@" + std::to_string(options.main_core),
      "--no-telemetry", "--file-prefix", own_prefix()};
  if (!options.needs_pci) words.emplace_back("--no-pci");
  if (huge_pages) {
    words.emplace_back("--in-memory");
  } else {
    words.emplace_back("--no-huge");
    words.emplace_back("--no-shconf");
    words.emplace_back("-m");
    words.push_back(std::to_string((options.memory_size + kMiB - 1) / kMiB));
  }
  words.insert(words.end(), options.further_arguments.begin(), options.further_arguments.end());
  return words;
}

// DPDK leaves its directory behind, and a process that was killed could not remove it.
void remove_leftovers() {
  const std::filesystem::path own = rte_eal_get_runtime_dir();
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(own.parent_path(), ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    const auto process =
        static_cast<pid_t>(std::strtol(name.c_str() + kPrefix.size(), nullptr, 10));
    if (process <= 0 || kill(process, 0) == 0 || errno != ESRCH) continue;
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

}  // namespace

std::size_t free_huge_memory() {
  std::size_t size = 0;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", ignored)) {
    const std::string name = entry.path().filename().string();  // hugepages-2048kB
    const std::size_t dash = name.find('-');
    if (dash == std::string::npos) continue;
    const std::size_t page_kib = std::strtoull(name.c_str() + dash + 1, nullptr, 10);
    size += page_kib * 1024 * read_number(entry.path() / "free_hugepages");
  }
  return size;
}

Eal::Eal() : log_(std::make_unique<DpdkLog>()) {}

Result<std::unique_ptr<Eal>> Eal::start(const EalOptions& options) {
  Result<bool> huge_pages = choose_huge_pages(options);
  if (!huge_pages) return huge_pages.error();
  std::unique_ptr<Eal> eal(new Eal);
  eal->has_huge_pages_ = *huge_pages;
  eal->description_ =
      *huge_pages ? "huge pages"
                  : "no huge pages (" + mebibytes(options.memory_size) + " of ordinary memory)";
  std::vector<std::string> words = eal_words(options, *huge_pages);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) >= 0) {
    eal->is_up_ = true;
    remove_leftovers();
    return eal;
  }
  std::string reason = eal->logged();
  if (reason.empty()) reason = rte_strerror(rte_errno);
  return Error{ErrorKind::Failed, "dpdk-refused", "DPDK does not start: " + reason, "engine"};
}

Eal::~Eal() {
  if (!is_up_) return;
  const std::string directory = rte_eal_get_runtime_dir();
  rte_eal_cleanup();
  std::error_code ignored;
  if (directory.ends_with(own_prefix())) std::filesystem::remove_all(directory, ignored);
}

void Eal::forget_log() { log_->forget(); }

std::string Eal::logged() const { return log_->text(); }

}  // namespace sluice
