#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "control/flowlog/sink_file.h"

namespace sluice {
namespace {

class FlowLogFile : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sluice-flowlog-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  FileSinkConfig config() const {
    FileSinkConfig config;
    config.path = directory_ / "flow.log";
    config.retry_after = std::chrono::milliseconds(0);
    return config;
  }
  std::string text(const std::string& name) const {
    std::ifstream file(directory_ / name);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }

  std::filesystem::path directory_;
};

TEST_F(FlowLogFile, appends_and_begins_with_a_header_once) {  // FL-4
  FileSinkConfig with_header = config();
  with_header.header = "version srcaddr\n";
  {
    FileSink sink(with_header);
    EXPECT_EQ(sink.write("one\n"), 4u);
  }
  FileSink again(with_header);
  EXPECT_EQ(again.write("two\n"), 4u);
  EXPECT_EQ(text("flow.log"), "version srcaddr\none\ntwo\n");
}

TEST_F(FlowLogFile, never_waits_for_somebody_to_empty_a_pipe) {
  ASSERT_EQ(::mkfifo(config().path.c_str(), 0600), 0);
  FileSink sink(config());
  std::string lines;
  for (int i = 0; i < 100'000; ++i) lines += "a record\n";
  EXPECT_LT(sink.write(lines), lines.size());
  EXPECT_EQ(sink.failures(), 1u);
}

TEST_F(FlowLogFile, is_put_aside_at_its_size_and_old_ones_go) {
  FileSinkConfig small = config();
  small.rotate_size = 10;
  small.rotate_keep = 2;
  FileSink sink(small);
  for (const char* line : {"first-1\n", "second-2\n", "third-3\n", "fourth-4\n"}) {
    EXPECT_NE(sink.write(line), 0u);
  }
  EXPECT_EQ(text("flow.log"), "fourth-4\n");
  EXPECT_EQ(text("flow.log.1"), "third-3\n");
  EXPECT_EQ(text("flow.log.2"), "second-2\n");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "flow.log.3"));
}

TEST_F(FlowLogFile, is_opened_anew_when_somebody_moved_it) {
  FileSink sink(config());
  sink.write("one\n");
  std::filesystem::rename(directory_ / "flow.log", directory_ / "moved");
  sink.write("two\n");
  EXPECT_EQ(text("moved"), "one\n");
  EXPECT_EQ(text("flow.log"), "two\n");
}

TEST_F(FlowLogFile, starts_on_a_line_of_its_own_after_half_a_line) {
  std::ofstream(directory_ / "flow.log") << "whole\nhal";
  FileSink sink(config());
  sink.write("next\n");
  EXPECT_EQ(text("flow.log"), "whole\nhal\nnext\n");
}

TEST_F(FlowLogFile, loses_lines_on_a_full_device_and_says_how_many_bytes_it_kept) {
  FileSinkConfig full = config();
  full.path = "/dev/full";
  FileSink sink(full);
  EXPECT_EQ(sink.write("one\ntwo\n"), 0u);
  EXPECT_EQ(sink.write("three\n"), 0u);
  EXPECT_EQ(sink.failures(), 2u);
}

TEST_F(FlowLogFile, loses_lines_while_the_directory_is_missing_and_goes_on_when_it_is_back) {
  FileSinkConfig missing = config();
  missing.path = directory_ / "later" / "flow.log";
  FileSink sink(missing);
  EXPECT_EQ(sink.write("one\n"), 0u);
  std::filesystem::create_directory(directory_ / "later");
  EXPECT_EQ(sink.write("two\n"), 4u);
  EXPECT_EQ(text("later/flow.log"), "two\n");
}

TEST_F(FlowLogFile, never_keeps_half_a_line_when_the_disk_is_full) {
  // A limit on the size of files stands for the full disk: the last write is short, then it fails.
  const auto former_handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit former = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &former), 0);
  struct rlimit tiny = former;
  tiny.rlim_cur = 25;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tiny), 0);
  FileSink sink(config());
  const std::size_t first = sink.write("0123456789\n");
  const std::size_t second = sink.write("abcdefgh\nijklmnop\n");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &former), 0);
  std::signal(SIGXFSZ, former_handler);
  EXPECT_EQ(first, 11u);
  EXPECT_EQ(second, 9u);
  EXPECT_EQ(text("flow.log"), "0123456789\nabcdefgh\n");
  EXPECT_EQ(sink.write("later\n"), 6u);
  EXPECT_EQ(text("flow.log"), "0123456789\nabcdefgh\nlater\n");
}

}  // namespace
}  // namespace sluice
