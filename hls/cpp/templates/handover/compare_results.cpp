// Compares the test bench's results with the expected ones, and the two copies of each weight.
//
//     compare_results N_EVENTS INPUTS EXPECTED FOUND [WEIGHTS.txt ...]
//
// Each line of INPUTS and of EXPECTED is an event, of which there must be N_EVENTS. The numbers are multiples of a power of two, written with 17
// digits: equal numbers are equal bits. Beside WEIGHTS.txt, which the bench reads, lies WEIGHTS.h,
// which synthesis compiles. Exit code 0 if all are equal, 1 if any differs, 2 if they cannot be
// compared.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

static std::string read_file(const std::string &name) {
    std::ifstream file(name);
    if (!file) {
        std::cerr << "cannot read " << name << std::endl;
        std::exit(2);
    }
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Numbers with white space or commas between them.
static std::vector<double> read_numbers(std::string text, const std::string &name) {
    std::replace(text.begin(), text.end(), ',', ' ');
    std::istringstream words(text);
    std::vector<double> numbers;
    for (std::string word; words >> word;) {
        char *end;
        numbers.push_back(std::strtod(word.c_str(), &end));
        if (*end != '\0') {
            std::cerr << name << " must hold numbers, got '" << word << "'" << std::endl;
            std::exit(2);
        }
    }
    return numbers;
}

static size_t count_lines(const std::string &name) {
    std::istringstream lines(read_file(name));
    size_t n_lines = 0;
    for (std::string line; std::getline(lines, line);)
        n_lines++;
    return n_lines;
}

static void check_lines(const std::string &name, size_t n_events) {
    const size_t n_lines = count_lines(name);
    if (n_lines != n_events) {
        std::cerr << name << " must hold " << n_events << " events, got " << n_lines << std::endl;
        std::exit(2);
    }
}

static bool results_differ(const std::string &expected, const std::string &found) {
    std::istringstream events(read_file(expected));
    // The bench may break the lines otherwise: what it wrote is a sequence of numbers.
    const std::vector<double> results = read_numbers(read_file(found), found);
    size_t n_events = 0, n_different = 0, position = 0;
    for (std::string event; std::getline(events, event); n_events++) {
        bool differs = false;
        for (double value : read_numbers(event, expected)) {
            differs |= position >= results.size() || !(results[position] == value);
            position++;
        }
        if (differs && n_different++ == 0)
            std::cout << "first that differs: event " << n_events << ", counted from 0" << std::endl;
    }
    if (n_events == 0 || position != results.size()) {
        std::cerr << found << " must hold " << position << " numbers of " << n_events
                  << " events, got " << results.size() << std::endl;
        std::exit(2);
    }
    std::cout << n_events << " events, " << n_different << " differ" << std::endl;
    return n_different != 0;
}

static bool weights_differ(const std::string &text) {
    const std::string header = text.substr(0, text.rfind('.')) + ".h", code = read_file(header);
    const size_t first = code.find('{') + 1, last = code.find('}', first);
    if (first == 0 || last == std::string::npos) {
        std::cerr << header << " must hold weights in braces" << std::endl;
        std::exit(2);
    }
    const bool differ =
        read_numbers(code.substr(first, last - first), header) != read_numbers(read_file(text), text);
    if (differ)
        std::cout << header << " and " << text << " differ" << std::endl;
    return differ;
}

int main(int n_arguments, char **arguments) {
    if (n_arguments < 5) {
        std::cerr << "usage: compare_results N_EVENTS INPUTS EXPECTED FOUND [WEIGHTS.txt ...]" << std::endl;
        return 2;
    }
    // The bench stops at the shorter of the two.
    for (int i = 2; i < 4; i++)
        check_lines(arguments[i], std::strtoul(arguments[1], nullptr, 10));
    bool differ = results_differ(arguments[3], arguments[4]);
    for (int i = 5; i < n_arguments; i++)
        differ |= weights_differ(arguments[i]);
    return differ;
}
