"""Literal, slow, independent implementations that the package is compared with.

Nothing here imports the package's formulas: loops over plain Python numbers, written
from the definitions. ``LiteralEASE`` borrows only the contract of the base class.
"""

import math
from fractions import Fraction

import numpy as np

from recsys_tutor.base import Recommender

# -- ranking ----------------------------------------------------------------------


def ranked_list(scores, excluded, k):
    """Items of one user: higher score first, then lower index; padded with -1."""
    allowed = [i for i in range(len(scores)) if not excluded[i]]
    allowed.sort(key=lambda i: (-scores[i], i))
    return (allowed + [-1] * k)[:k]


def list_metrics(items, relevant, k):
    """Metrics of one list by their definitions; ``relevant`` is a non-empty set."""
    hits, precisions, gain, first = 0, 0.0, 0.0, None
    for place in range(1, k + 1):
        if items[place - 1] in relevant:
            hits += 1
            precisions += hits / place
            gain += 1 / math.log(place + 1, 2)
            first = place if first is None else first
    best = sum(1 / math.log(p + 1, 2) for p in range(1, min(k, len(relevant)) + 1))
    return {
        "precision": hits / k,
        "recall": hits / len(relevant),
        "ndcg": gain / best,
        "ap": precisions / len(relevant),
        "mrr": 0.0 if first is None else 1 / first,
        "hit": float(hits > 0),
    }


def graded_ndcg(items, grades, k, gain):
    """One list by the definition; ``gain`` is a function of a grade."""
    listed = [gain(grades[i]) if i >= 0 else 0.0 for i in items][:k]
    best = sorted((gain(g) for g in grades), reverse=True)[:k]
    dcg, ideal = (
        math.fsum(g / math.log(place + 1, 2) for place, g in enumerate(gains, 1))
        for gains in (listed, best)
    )
    return dcg / ideal if ideal else math.nan


def auc(scores, positives, negatives):
    """Share of (positive, negative) pairs in the right order; a tie is half."""
    won = Fraction(0)
    for p in positives:
        for n in negatives:
            won += Fraction(int(scores[p] > scores[n]))
            won += Fraction(int(scores[p] == scores[n]), 2)
    return float(won / (len(positives) * len(negatives)))


def gini(counts):
    """Mean absolute difference of all pairs over twice the mean."""
    n, mean = len(counts), sum(counts) / len(counts)
    apart = sum(abs(a - b) for a in counts for b in counts)
    return apart / (2 * n * n * mean)


def novelty(items, counts, n_users):
    bits = [-math.log(max(counts[i], 1) / n_users, 2) for i in items if i >= 0]
    return sum(bits) / len(bits) if bits else 0.0


def diversity(items, features):
    listed = [i for i in items if i >= 0]
    apart = []
    for a in range(len(listed)):
        for b in range(a + 1, len(listed)):
            x, y = features[listed[a]], features[listed[b]]
            dot = sum(p * q for p, q in zip(x, y, strict=True))
            size = math.sqrt(sum(p * p for p in x)) * math.sqrt(sum(q * q for q in y))
            apart.append(1 - (dot / size if size else 0.0))
    return sum(apart) / len(apart) if apart else 0.0


# -- splits -----------------------------------------------------------------------


def stratified_train_rows(group, ratio, seed):
    """Row numbers that train: the rule of the main protocol, a group at a time."""
    key = np.random.RandomState(seed).rand(len(group))
    rows_of = {}
    for row, g in enumerate(group):
        rows_of.setdefault(int(g), []).append(row)
    train = set()
    for rows in rows_of.values():
        rows.sort(key=lambda row: key[row])
        train.update(rows[: round(ratio * len(rows))])  # Python rounds half to even
    return train


def last_rows(user, time, n_last, needed):
    """Per user with ``needed`` rows: the ``n_last`` latest, latest first.

    A later row of the file is the later event where the times tie.
    """
    rows_of = {}
    for row, u in enumerate(user):
        rows_of.setdefault(int(u), []).append(row)
    latest = {}
    for u, rows in rows_of.items():
        if len(rows) >= needed:
            by_time = sorted(rows, key=lambda row: (time[row], row))
            latest[u] = by_time[::-1][:n_last]
    return latest


# -- models -----------------------------------------------------------------------


class LiteralEASE(Recommender):
    """Steck (2019), Algorithm 1, line by line."""

    def __init__(self, *, reg=300.0):
        self.reg = reg

    def _fit(self, train):
        X = (train.csr.toarray() > 0).astype(float)
        G = X.T @ X
        G[np.diag_indices(len(G))] += self.reg
        P = np.linalg.inv(G)
        B = P / -np.diag(P)
        B[np.diag_indices(len(B))] = 0
        self.scores_ = X @ B

    def _score_users(self, users):
        return self.scores_[users]


def ridge_biases(user, item, rating, n_users, n_items, reg_u, reg_i):
    """Biases that minimise the ridge objective, by dense least squares.

    The penalty enters as extra rows ``sqrt(reg) · b = 0``. Returns (b_u, b_i).
    """
    n = len(rating)
    A = np.zeros((n + n_users + n_items, n_users + n_items))
    A[np.arange(n), user] = 1
    A[np.arange(n), n_users + item] = 1
    for u in range(n_users):
        A[n + u, u] = math.sqrt(reg_u)
    for i in range(n_items):
        A[n + n_users + i, n_users + i] = math.sqrt(reg_i)
    y = np.concatenate([rating - np.mean(rating), np.zeros(n_users + n_items)])
    b = np.linalg.lstsq(A, y, rcond=None)[0]
    return b[:n_users], b[n_users:]


# -- neighbours: dicts of stored cells, one pair at a time --------------------------


def stored_columns(X):
    """One dict ``row -> value`` per column of a sparse matrix; stored zeros kept."""
    columns = [{} for _ in range(X.shape[1])]
    for row in range(X.shape[0]):
        for place in range(X.indptr[row], X.indptr[row + 1]):
            columns[X.indices[place]][row] = float(X.data[place])
    return columns


def pairwise(columns, function):
    """``function(x, y)`` for every ordered pair of columns, as an array."""
    return np.array([[function(x, y) for y in columns] for x in columns])


def common(x, y):
    return sorted(set(x) & set(y))


def co_rated_cosine(x, y):
    rows = common(x, y)
    size = sum(x[r] ** 2 for r in rows) * sum(y[r] ** 2 for r in rows)
    return sum(x[r] * y[r] for r in rows) / math.sqrt(size) if size > 0 else 0.0


def pearson(x, y):
    rows = common(x, y)
    if not rows:
        return 0.0
    a, b = [x[r] for r in rows], [y[r] for r in rows]
    if max(a) == min(a) or max(b) == min(b):
        return 0.0
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    a, b = [v - mean_a for v in a], [v - mean_b for v in b]
    size = math.sqrt(math.fsum(v * v for v in a) * math.fsum(v * v for v in b))
    return math.fsum(p * q for p, q in zip(a, b, strict=True)) / size


def asymmetric_cosine(x, y, alpha):
    dot = sum(x[r] * y[r] for r in common(x, y))
    if dot == 0:
        return 0.0
    size_x, size_y = sum(v * v for v in x.values()), sum(v * v for v in y.values())
    return dot / (size_x**alpha * size_y ** (1 - alpha))


def nearest(similarities, k):
    """Positions of the ``k`` largest positive numbers and all that tie with them."""
    positive = sorted((s for s in similarities if s > 0), reverse=True)
    if not positive:
        return []
    bar = positive[min(k, len(positive)) - 1]
    return [n for n, s in enumerate(similarities) if s >= bar]


def knn_rating(own, similarity, k):
    """Weighted mean of ``own`` (dict item -> value) over the k nearest; ties: first."""
    positive = [j for j in own if similarity[j] > 0]
    positive.sort(key=lambda j: (-similarity[j], j))
    chosen = positive[:k]
    weight = sum(similarity[j] for j in chosen)
    return sum(similarity[j] * own[j] for j in chosen) / weight if chosen else 0.0


def ease_by_columns(X, penalty):
    """Column ``i`` is ridge regression of item ``i`` on all the other items.

    ``penalty[j]`` is what row ``j`` of B pays; it enters as an extra "user" who has
    ``sqrt(penalty[j])`` of item ``j`` and nothing of the target.
    """
    X = np.asarray(X, dtype=float)
    n = X.shape[1]
    B = np.zeros((n, n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        rows = np.vstack([X[:, others], np.diag(np.sqrt(penalty[others]))])
        target = np.concatenate([X[:, i], np.zeros(n - 1)])
        B[others, i] = np.linalg.lstsq(rows, target, rcond=None)[0]
    return B


def ease_by_multipliers(X, penalty):
    """The stationary point of the Lagrangian, one linear system in (B[:, i], m_i).

    Gradient: ``(X.T X + D) b_i + m_i e_i = X.T x_i``; constraint: ``b_ii = 0``.
    Returns (B, multipliers).
    """
    X = np.asarray(X, dtype=float)
    n = X.shape[1]
    B, multipliers = np.zeros((n, n)), np.zeros(n)
    for i in range(n):
        system = np.zeros((n + 1, n + 1))
        system[:n, :n] = X.T @ X + np.diag(penalty)
        system[n, i] = system[i, n] = 1
        answer = np.linalg.solve(system, np.append(X.T @ X[:, i], 0.0))
        B[:, i], multipliers[i] = answer[:n], answer[n]
    return B, multipliers


# -- content ------------------------------------------------------------------------


def tfidf(rows):
    """Lists of term counts -> unit rows, from the definition."""
    n, n_terms = len(rows), len(rows[0])
    df = [sum(row[t] > 0 for row in rows) for t in range(n_terms)]
    weighted = []
    for row in rows:
        w = [row[t] * (math.log((1 + n) / (1 + df[t])) + 1) for t in range(n_terms)]
        size = math.sqrt(sum(v * v for v in w))
        weighted.append([v / size if size else 0.0 for v in w])
    return np.array(weighted)


def content_profile(own, features, weighting):
    """Profile of one user; ``own`` is a dict item -> rating."""
    profile = [0.0] * len(features[0])
    if not own:
        return profile
    mean = sum(own.values()) / len(own)
    weight = {i: 1.0 if weighting == "count" else r - mean for i, r in own.items()}
    size = sum(abs(w) for w in weight.values())
    for i, w in weight.items():
        for t, f in enumerate(features[i]):
            profile[t] += w * f / size if size else 0.0
    return profile


# -- hybrids ------------------------------------------------------------------------


def places(scores):
    """1 = best; ties by lower index."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return [order.index(i) + 1 for i in range(len(scores))]


def reciprocal_rank_fusion(parts, seen, weights, constant):
    """One user: ``parts`` are lists of scores, ``seen`` the items to put last."""
    total = [0.0] * len(parts[0])
    for scores, weight in zip(parts, weights, strict=True):
        hidden = [-math.inf if i in seen else s for i, s in enumerate(scores)]
        for i, place in enumerate(places(hidden)):
            total[i] += weight / (constant + place)
    return total


def cascade_list(first, second, seen, n_candidates):
    """One user's whole list: candidates by ``second``, the rest by ``first``, seen."""
    by_first = sorted(
        (i for i in range(len(first)) if i not in seen), key=lambda i: (-first[i], i)
    )
    candidates = sorted(by_first[:n_candidates], key=lambda i: (-second[i], i))
    return candidates + by_first[n_candidates:] + sorted(seen)


# -- factorizations: one rating, one factor at a time --------------------------------


def dot(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True))


def sgd_pass(rows, mu, b_u, b_i, P, Q, rate, reg, biased=True):
    """One pass over ``rows`` of (u, i, r); lists in, lists changed. Sum of e²."""
    total = 0.0
    for u, i, r in rows:
        e = r - (mu + b_u[u] + b_i[i] + dot(P[u], Q[i]))
        total += e * e
        old_p, old_q = list(P[u]), list(Q[i])
        if biased:
            b_u[u] = b_u[u] + rate * (e - reg * b_u[u])
            b_i[i] = b_i[i] + rate * (e - reg * b_i[i])
        P[u] = [p + rate * (e * q - reg * p) for p, q in zip(old_p, old_q, strict=True)]
        Q[i] = [q + rate * (e * p - reg * q) for p, q in zip(old_p, old_q, strict=True)]
    return total


def svdpp_pass(visits, mu, b_u, b_i, P, Q, Y, rate, reg, reg_y):
    """One pass over ``visits``, a list of (u, [(i, r), ...]). Sum of e²."""
    total = 0.0
    for u, rows in visits:
        if not rows:
            continue
        scale = 1 / math.sqrt(len(rows))
        implicit = [scale * sum(column) for column in zip(*(Y[i] for i, _ in rows))]
        steps = [0.0] * len(implicit)
        for i, r in rows:
            z = [p + s for p, s in zip(P[u], implicit, strict=True)]
            e = r - (mu + b_u[u] + b_i[i] + dot(z, Q[i]))
            total += e * e
            steps = [s + e * q for s, q in zip(steps, Q[i], strict=True)]
            b_u[u] = b_u[u] + rate * (e - reg * b_u[u])
            b_i[i] = b_i[i] + rate * (e - reg * b_i[i])
            q_old = list(Q[i])
            Q[i] = [q + rate * (e * s - reg * q) for q, s in zip(q_old, z, strict=True)]
            P[u] = [
                p + rate * (e * q - reg * p) for p, q in zip(P[u], q_old, strict=True)
            ]
        for j, _ in rows:
            Y[j] = [
                y + rate * (scale * s - len(rows) * reg_y * y)
                for y, s in zip(Y[j], steps, strict=True)
            ]
    return total


def svdpp_objective(rows, mu, b_u, b_i, P, Q, Y, reg, reg_y):
    """The stated objective of SVD++, a rating at a time."""
    total = 0.0
    for u, i, r in rows:
        own = [j for v, j, _ in rows if v == u]
        z = list(P[u])
        for j in own:
            z = [a + y / math.sqrt(len(own)) for a, y in zip(z, Y[j], strict=True)]
        e = r - mu - b_u[u] - b_i[i] - dot(z, Q[i])
        size = b_u[u] ** 2 + b_i[i] ** 2 + dot(P[u], P[u]) + dot(Q[i], Q[i])
        total += 0.5 * (e * e + reg * size + reg_y * sum(dot(Y[j], Y[j]) for j in own))
    return total


def implicit_objective(X, P, Q, unobserved, reg):
    """Implicit ALS over a dense 0/1 matrix, every cell visited."""
    n_users, n_items = X.shape
    total = 0.0
    for u in range(n_users):
        for i in range(n_items):
            s = dot(P[u], Q[i])
            total += unobserved * s * s
            if X[u, i]:
                total += X[u, i] * (1 - s) ** 2
            weight = float(X[u, i] > 0) + unobserved
            total += reg * weight * (dot(P[u], P[u]) + dot(Q[i], Q[i]))
    return total


def implicit_rows(X, Q, unobserved, reg):
    """Rows of P by dense weighted least squares over all cells.

    Each cell is one equation ``s = 0`` of weight ``unobserved``; an entry is one more,
    ``s = 1`` of weight ``x``; the penalty is f more.
    """
    P = np.zeros((len(X), Q.shape[1]))
    for u, row in enumerate(X):
        own = np.flatnonzero(row)
        penalty = reg * (len(own) + unobserved * len(row))
        A = np.vstack(
            [
                math.sqrt(unobserved) * Q,
                np.sqrt(row[own])[:, None] * Q[own],
                math.sqrt(penalty) * np.eye(Q.shape[1]),
            ]
        )
        y = np.concatenate([np.zeros(len(row)), np.sqrt(row[own])])
        y = np.concatenate([y, np.zeros(Q.shape[1])])
        P[u] = np.linalg.lstsq(A, y, rcond=None)[0]
    return P


def bpr_pass(rows, b, P, Q, rate, reg):
    """One pass over ``rows`` of (u, i, j): u has i, not j. Triples in order before."""
    in_order = 0
    for u, i, j in rows:
        x = b[i] + dot(P[u], Q[i]) - b[j] - dot(P[u], Q[j])
        in_order += x > 0
        g = 1 - 1 / (1 + math.exp(-x))
        p, q_i, q_j = list(P[u]), list(Q[i]), list(Q[j])
        b[i] = b[i] + rate * (g - reg * b[i])
        b[j] = b[j] + rate * (-g - reg * b[j])
        for f in range(len(p)):
            P[u][f] = p[f] + rate * (g * (q_i[f] - q_j[f]) - reg * p[f])
            Q[i][f] = q_i[f] + rate * (g * p[f] - reg * q_i[f])
            Q[j][f] = q_j[f] + rate * (-g * p[f] - reg * q_j[f])
    return in_order


# -- the factorization machine's posterior, over the dense design --------------------


def fm_rule(X, w0, theta):
    """``w0 + w · x + sum over j < l of (v_j · v_l) x_j x_l`` for the rows of ``X``.

    ``theta`` is (1 + f, n_features): the weights, then each factor.
    """
    V = theta[1:]
    pairs = np.triu(V.T @ V, 1)
    return np.array([w0 + x @ theta[0] + x @ pairs @ x for x in X])


def normal_log_density(x, mean, precision):
    return 0.5 * math.log(precision / (2 * math.pi)) - 0.5 * precision * (x - mean) ** 2


def gamma_log_density(x, shape, rate):
    log_size = shape * math.log(rate) - math.lgamma(shape)
    return log_size + (shape - 1) * math.log(x) - rate * x


def fm_log_joint(X, r, w0, theta, alpha, mean, precision, group, prior):
    """Log-density of the ratings and of all unknowns; ``group`` is that of a feature.

    ``mean`` and ``precision`` are (1 + f, n_groups); ``prior`` has shape, rate,
    strength and center.
    """
    shape, rate, strength, center = prior
    total = gamma_log_density(alpha, shape, rate) + normal_log_density(w0, center, 1)
    for truth, guess in zip(r, fm_rule(X, w0, theta), strict=True):
        total += normal_log_density(truth, guess, alpha)
    for row in range(len(theta)):
        for g in range(mean.shape[1]):
            lam = precision[row, g]
            total += gamma_log_density(lam, shape, rate)
            total += normal_log_density(mean[row, g], 0, strength * lam)
        for j, value in enumerate(theta[row]):
            g = group[j]
            total += normal_log_density(value, mean[row, g], precision[row, g])
    return total


def grid_moments(log_density, low=-60.0, high=60.0):
    """Mean, standard deviation, skewness and excess kurtosis by brute force.

    A coarse grid finds where the mass is, finer ones cover twelve deviations of it.
    """
    for _ in range(5):
        x = np.linspace(low, high, 161)
        log_p = np.array([log_density(value) for value in x])
        p = np.exp(log_p - log_p.max())
        p /= p.sum()
        mean = p @ x
        sd = max(math.sqrt(p @ (x - mean) ** 2), (high - low) / 160)
        low, high = max(low, mean - 12 * sd), min(high, mean + 12 * sd)
    z = (x - mean) / sd
    return mean, sd, p @ z**3, p @ z**4 - 3


def fm_sweep(rng, X, y, blocks, group, state, prior, gaussian):
    """A Gibbs sweep over the dense design, a parameter at a time.

    ``blocks`` are lists of columns, ``group[b]`` the groups of block ``b``'s columns.
    ``state`` (w0, alpha, theta, means, precisions) is returned anew. The rule is linear
    in each parameter, so its derivative is what one more unit of it adds.
    """
    shape, rate, strength, center = prior
    w0, alpha, theta, means, precisions = state
    theta = theta.copy()
    n = len(y)
    if gaussian:
        e = y - fm_rule(X, w0, theta)
        alpha = rng.gamma(shape + n / 2, 1 / (rate + 0.5 * sum(v * v for v in e)))
        variance = 1 / (alpha * n + 1)
        target = y - fm_rule(X, 0.0, theta)
        w0 = rng.normal(variance * (alpha * sum(target) + center), math.sqrt(variance))

    def draw(row, columns, mean, precision):
        z = rng.normal(size=len(columns))
        for c, j in enumerate(columns):
            e = y - fm_rule(X, w0, theta)
            more = theta.copy()
            more[row, j] += 1
            h = fm_rule(X, w0, more) - fm_rule(X, w0, theta)
            lam = precision[group_of[c]]
            variance = 1 / (alpha * sum(h * h) + lam)
            aim = alpha * sum(h * (e + theta[row, j] * h)) + lam * mean[group_of[c]]
            theta[row, j] = variance * aim + math.sqrt(variance) * z[c]

    means, precisions = list(means), list(precisions)
    for b, columns in enumerate(blocks):
        group_of = group[b]
        shapes, rates, centers = (np.zeros_like(means[b]) for _ in range(3))
        counts = np.zeros(means[b].shape[1])
        for row in range(len(theta)):
            for g in range(len(counts)):
                own = [theta[row, j] for c, j in enumerate(columns) if group_of[c] == g]
                t, k = sum(own) / len(own), len(own)
                counts[g] = strength + k
                shapes[row, g] = shape + k / 2
                rates[row, g] = rate + 0.5 * (
                    sum((v - t) ** 2 for v in own) + strength * k * t * t / counts[g]
                )
                centers[row, g] = k * t / counts[g]
        precisions[b] = rng.gamma(shapes, 1 / rates)
        means[b] = rng.normal(centers, 1 / np.sqrt(counts * precisions[b]))
        draw(0, columns, means[b][0], precisions[b][0])
    for row in range(1, len(theta)):
        for b, columns in enumerate(blocks):
            group_of = group[b]
            draw(row, columns, means[b][row], precisions[b][row])
    return w0, alpha, theta, means, precisions


# -- mixtures: every responsibility stored -------------------------------------------


def plsa_step(X, theta, phi, beta=1.0):
    """One EM step over dense counts; returns (theta, phi, q) with q[u][i][z]."""
    n_users, n_items = X.shape
    n_topics = theta.shape[1]
    q = np.zeros((n_users, n_items, n_topics))
    for u in range(n_users):
        for i in range(n_items):
            share = [(theta[u, z] * phi[z, i]) ** beta for z in range(n_topics)]
            for z in range(n_topics):
                q[u, i, z] = share[z] / sum(share) if X[u, i] else 0.0
    new_theta, new_phi = np.zeros_like(theta), np.zeros_like(phi)
    for u in range(n_users):
        for z in range(n_topics):
            new_theta[u, z] = sum(X[u, i] * q[u, i, z] for i in range(n_items))
        size = sum(new_theta[u])
        new_theta[u] = new_theta[u] / size if size else 1 / n_topics
    for z in range(n_topics):
        for i in range(n_items):
            new_phi[z, i] = sum(X[u, i] * q[u, i, z] for u in range(n_users))
        new_phi[z] /= sum(new_phi[z])
    return new_theta, new_phi, q


def plsa_free_energy(X, theta, phi, beta=1.0):
    total = 0.0
    for u, i in zip(*np.nonzero(X), strict=True):
        p = sum((theta[u, z] * phi[z, i]) ** beta for z in range(theta.shape[1]))
        total -= X[u, i] * math.log(p) / beta
    return total


def gaussian_plsa_step(rows, theta, M, variance, shrink, smoothing):
    """One EM step; ``rows`` of (u, i, v). Returns (theta, M, variance)."""
    n_topics = theta.shape[1]
    q = []
    for u, i, v in rows:
        share = [
            theta[u, z] * math.exp(normal_log_density(v, M[i, z], 1 / variance))
            for z in range(n_topics)
        ]
        q.append([s / sum(share) for s in share])
    new_theta, new_M = np.full_like(theta, smoothing), np.zeros_like(M)
    weight = np.full_like(M, shrink)
    for (u, i, v), share in zip(rows, q, strict=True):
        for z in range(n_topics):
            new_theta[u, z] += share[z]
            new_M[i, z] += share[z] * v
            weight[i, z] += share[z]
    for u in range(len(theta)):
        size = sum(new_theta[u])
        new_theta[u] = new_theta[u] / size if size else 1 / n_topics
    for place in np.ndindex(M.shape):
        new_M[place] = new_M[place] / weight[place] if weight[place] else 0.0
    total = shrink * sum(m * m for m in new_M.ravel())
    for (_, i, v), share in zip(rows, q, strict=True):
        total += sum(share[z] * (v - new_M[i, z]) ** 2 for z in range(n_topics))
    return new_theta, new_M, total / len(rows)


def gaussian_plsa_objective(rows, theta, M, variance, shrink, smoothing):
    total = 0.0
    for u, i, v in rows:
        total += math.log(
            sum(
                theta[u, z] * math.exp(normal_log_density(v, M[i, z], 1 / variance))
                for z in range(theta.shape[1])
            )
        )
    if smoothing:
        total += smoothing * sum(math.log(a) for a in theta.ravel())
    return total - shrink / (2 * variance) * sum(m * m for m in M.ravel())


# -- networks: one number at a time ---------------------------------------------------


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def log_sum_exp(values):
    top = max(values)
    return top + math.log(sum(math.exp(v - top) for v in values))


def in_batch_loss(u, v, item, log_q):
    """Mean over rows of ``-ln softmax``; copies of a row's own item are left out."""
    total = 0.0
    for a in range(len(u)):
        rivals = [b for b in range(len(u)) if b == a or item[b] != item[a]]
        logits = {b: dot(u[a], v[b]) - log_q[b] for b in rivals}
        total += log_sum_exp(list(logits.values())) - logits[a]
    return total / len(u)


def transition_counts(sequences, n_items, window, decay):
    """``sequences`` are lists of items in order."""
    C = np.zeros((n_items, n_items))
    for items in sequences:
        for late in range(len(items)):
            for early in range(max(late - window, 0), late):
                C[items[early], items[late]] += decay ** (late - early - 1)
    return C


def transition_scores(sequences, n_items, settings):
    """Each item that a user took votes for what came near it, by any user."""
    window, decay, recency, backward, damping = settings
    C = transition_counts(sequences, n_items, window, decay)
    count = [sum(items.count(i) for items in sequences) for i in range(n_items)]
    scores = np.zeros((len(sequences), n_items))
    for u, items in enumerate(sequences):
        for place, i in enumerate(items):
            weight = recency ** (len(items) - 1 - place)
            for j in range(n_items):
                vote = C[i, j] + backward * C[j, i]
                size = max(count[i], 1) * max(count[j], 1) ** damping
                scores[u, j] += weight * vote / size
    return scores


def gru(x, W_in, W_hidden, b_in, b_hidden):
    """States (L, f) of one sequence; the rows of the weights are reset, update, new."""
    f = W_hidden.shape[1]
    h, states = np.zeros(f), []
    for step in x:
        from_input = [dot(W_in[n], step) + b_in[n] for n in range(3 * f)]
        from_state = [dot(W_hidden[n], h) + b_hidden[n] for n in range(3 * f)]
        new = np.zeros(f)
        for n in range(f):
            reset = sigmoid(from_input[n] + from_state[n])
            update = sigmoid(from_input[f + n] + from_state[f + n])
            cell = math.tanh(from_input[2 * f + n] + reset * from_state[2 * f + n])
            new[n] = (1 - update) * cell + update * h[n]
        h = new
        states.append(h)
    return np.array(states)


def attention(q, k, v, mask):
    """One sequence: (L, d) each; ``mask[s][t]`` lets ``s`` look at ``t``."""
    out = np.zeros((len(q), v.shape[1]))
    for s in range(len(q)):
        seen = [t for t in range(len(k)) if mask[s][t]]
        logits = [dot(q[s], k[t]) / math.sqrt(q.shape[1]) for t in seen]
        size = log_sum_exp(logits)
        for t, logit in zip(seen, logits, strict=True):
            out[s] += math.exp(logit - size) * v[t]
    return out
