// The models of the live toy, a step at a time, as plain functions of arrays.
//
// A model has: start(toy, settings), a state; step(R, state, settings), the next state;
// scores(R, state, settings), a row per user; loss, says (a sentence), and what the table
// shows of the state: users and items (columns and rows beside the matrix), matrix (below
// it). R is a list of rows, 0 where there is no rating. The steps are those of the Python
// package; tests/site/test_play_page.py compares both. play.js draws the table.
(() => {
  "use strict";

  // ---- small linear algebra ----------------------------------------------------------

  const zeros = (n, m) => Array.from({ length: n }, () => Array(m).fill(0));
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  const dot = (a, b) => sum(a.map((x, k) => x * b[k]));
  const transpose = (A) => A[0].map((_, c) => A.map((row) => row[c]));
  const times = (A, B) => A.map((row) => transpose(B).map((column) => dot(row, column)));
  const squares = (A) => sum(A.flat().map((x) => x * x));
  const binary = (R) => R.map((row) => row.map((r) => (r ? 1 : 0)));
  const count = (row) => row.filter((r) => r).length;

  // A X = B by Gaussian elimination with pivots; B has columns.
  function solve(A, B) {
    const M = A.map((row, k) => [...row, ...B[k]]);
    const n = A.length;
    for (let c = 0; c < n; c += 1) {
      let pivot = c;
      for (let r = c + 1; r < n; r += 1) {
        if (Math.abs(M[r][c]) > Math.abs(M[pivot][c])) pivot = r;
      }
      [M[c], M[pivot]] = [M[pivot], M[c]];
      for (let r = 0; r < n; r += 1) {
        const factor = r === c ? 0 : M[r][c] / M[c][c];
        if (factor) M[r] = M[r].map((x, k) => x - factor * M[c][k]);
      }
    }
    return M.map((row, k) => row.slice(n).map((x) => x / row[k]));
  }

  const identity = (n) => zeros(n, n).map((row, k) => row.map((_, c) => +(c === k)));

  // The ratings as a list of [user, item, rating], row by row.
  function entries(R) {
    return R.flatMap((row, u) => row.map((r, i) => [u, i, r])).filter((e) => e[2]);
  }

  function mean(R) {
    const all = entries(R);
    return sum(all.map((e) => e[2])) / Math.max(all.length, 1);
  }

  // ---- the bias model: recsys_tutor.baselines.bias_half_step ---------------------------

  function halfStep(residuals, index, n, reg) {
    const total = Array(n).fill(0);
    const size = Array(n).fill(0);
    residuals.forEach((e, k) => {
      total[index[k]] += e;
      size[index[k]] += 1;
    });
    return total.map((x, k) => (size[k] + reg > 0 ? x / (size[k] + reg) : 0));
  }

  const bias = {
    start: (toy) => ({
      t: 0,
      b_u: Array(toy.R.length).fill(0),
      b_i: Array(toy.R[0].length).fill(0),
    }),
    step(R, s, { reg_u, reg_i }) {
      const all = entries(R);
      const mu = mean(R);
      if (s.t % 2 === 0) {
        const rest = all.map(([u, , r]) => r - mu - s.b_u[u]);
        const b_i = halfStep(rest, all.map((e) => e[1]), s.b_i.length, reg_i);
        return { ...s, t: s.t + 1, b_i };
      }
      const rest = all.map(([, i, r]) => r - mu - s.b_i[i]);
      const b_u = halfStep(rest, all.map((e) => e[0]), s.b_u.length, reg_u);
      return { ...s, t: s.t + 1, b_u };
    },
    scores: (R, s) => s.b_u.map((a) => s.b_i.map((b) => mean(R) + a + b)),
    loss(R, s, { reg_u, reg_i }) {
      const mu = mean(R);
      const errors = entries(R).map(([u, i, r]) => (r - mu - s.b_u[u] - s.b_i[i]) ** 2);
      return sum(errors) + reg_u * dot(s.b_u, s.b_u) + reg_i * dot(s.b_i, s.b_i);
    },
    says: (s) => (s.t ? `half step of the ${s.t % 2 ? "films" : "users"}` : "all biases 0"),
    users: (s) => ({ b_u: s.b_u }),
    items: (s) => ({ b_i: s.b_i }),
  };

  // ---- item-kNN in three steps: recsys_tutor.similarity --------------------------------

  function similarities(R, t, { alpha, shrink, n_neighbors }) {
    const X = binary(R);
    const n = X[0].length;
    if (t < 1) return zeros(n, n);
    const both = times(transpose(X), X);
    const size = both.map((row, j) => row[j]);
    const safe = (x, power) => Math.max(x, Number.MIN_VALUE) ** power;
    let S = both.map((row, j) =>
      row.map((x, i) => (x ? x * safe(size[j], -alpha) * safe(size[i], alpha - 1) : 0)));
    if (t < 2) return S;
    S = S.map((row, j) => row.map((s, i) => (both[j][i] ? (s * both[j][i]) / (both[j][i] + shrink) : 0)));
    if (t < 3) return S;
    S = S.map((row, j) => row.map((s, i) => (i === j ? 0 : Math.max(s, 0))));
    const least = transpose(S).map((column) => [...column].sort((a, b) => b - a)[n_neighbors - 1] ?? 0);
    return S.map((row) => row.map((s, i) => (s < least[i] * (1 - 1e-12) ? 0 : s)));
  }

  const knn = {
    staged: true,
    start: (toy) => ({ t: 0, S: zeros(toy.R[0].length, toy.R[0].length) }),
    step(R, s, settings) {
      const t = Math.min(s.t + 1, 3);
      return { t, S: similarities(R, t, settings) };
    },
    refresh: (R, s, settings) => ({ t: s.t, S: similarities(R, s.t, settings) }),
    scores: (R, s) => times(binary(R), s.S),
    says: (s) => ["no similarities yet", "cosine of two columns", "shrunk by the number of shared users",
      "only the nearest films of each column are kept"][s.t],
    matrix: (s) => ["S: how alike", s.S],
  };

  // ---- EASE in three steps: recsys_tutor.neighbors.ease_weights ------------------------

  function easeStage(R, t, { reg }) {
    const X = binary(R);
    const n = X[0].length;
    if (t < 1) return zeros(n, n);
    const G = times(transpose(X), X).map((row, j) => row.map((x, i) => x + (i === j ? reg : 0)));
    if (t < 2) return G;
    const H = solve(G, identity(n));
    if (t < 3) return H;
    return H.map((row, j) => row.map((h, i) => (i === j ? 0 : -h / H[i][i])));
  }

  const ease = {
    staged: true,
    start: (toy) => ({ t: 0, B: zeros(toy.R[0].length, toy.R[0].length) }),
    step(R, s, settings) {
      const t = Math.min(s.t + 1, 3);
      return { t, B: easeStage(R, t, settings) };
    },
    refresh: (R, s, settings) => ({ t: s.t, B: easeStage(R, s.t, settings) }),
    scores: (R, s) => (s.t < 3 ? null : times(binary(R), s.B)),
    says: (s) => ["nothing computed yet", "counts of shared users, λ on the diagonal", "its inverse H",
      "weights: each column of H divided by minus its diagonal, then the diagonal 0"][s.t],
    matrix: (s) => [["B", "XᵀX + λI", "H", "B: row for column"][s.t], s.B],
  };

  // ---- alternating least squares: recsys_tutor.mf.als_half_step -------------------------

  // One ridge regression per row: cells are [column, weight, target].
  function ridges(rows, Q, base, regs) {
    const f = Q[0].length;
    return rows.map((cells, u) => {
      if (!cells.length) return Array(f).fill(0);
      const A = base.map((row, a) => row.map((x, b) =>
        x + (a === b ? regs[u] : 0) + sum(cells.map(([i, w]) => w * Q[i][a] * Q[i][b]))));
      const right = base.map((_, a) => [sum(cells.map(([i, w, target]) => w * target * Q[i][a]))]);
      return solve(A, right).map((row) => row[0]);
    });
  }

  function alsHalf(R, Q, mu, reg) {
    const rows = R.map((row) => row.map((r, i) => [i, 1, r - mu, r]).filter((cell) => cell[3]));
    return ridges(rows, Q, zeros(Q[0].length, Q[0].length), rows.map(() => reg));
  }

  const columns = (name, P) => Object.fromEntries(
    P[0].map((_, k) => [P[0].length > 1 ? `${name}${k + 1}` : name, P.map((row) => row[k])]));

  const als = {
    start: (toy) => ({ t: 0, P: zeros(toy.R.length, toy.start.Q[0].length), Q: toy.start.Q }),
    step(R, s, { reg }) {
      const mu = mean(R);
      if (s.t % 2 === 0) return { ...s, t: s.t + 1, P: alsHalf(R, s.Q, mu, reg) };
      return { ...s, t: s.t + 1, Q: alsHalf(transpose(R), s.P, mu, reg) };
    },
    scores: (R, s) => times(s.P, transpose(s.Q)).map((row) => row.map((x) => x + mean(R))),
    loss(R, s, { reg }) {
      const mu = mean(R);
      const errors = entries(R).map(([u, i, r]) => (r - mu - dot(s.P[u], s.Q[i])) ** 2);
      return sum(errors) + reg * (squares(s.P) + squares(s.Q));
    },
    says: (s) => (s.t ? `half step of the ${s.t % 2 ? "users" : "films"}` : "films where they start, users at 0"),
    users: (s) => columns("p", s.P),
    items: (s) => columns("q", s.Q),
  };

  // ---- implicit ALS: recsys_tutor.implicit_mf.weighted_als_half_step --------------------

  function ialsHalf(X, Q, unobserved, reg) {
    const base = times(transpose(Q), Q).map((row) => row.map((x) => unobserved * x));
    const rows = X.map((row) => row.map((x, i) => [i, x, 1]).filter((cell) => cell[1]));
    return ridges(rows, Q, base, rows.map((cells) => reg * (cells.length + unobserved * Q.length)));
  }

  const ials = {
    ...als,
    step(R, s, { unobserved, reg }) {
      const X = binary(R);
      if (s.t % 2 === 0) return { ...s, t: s.t + 1, P: ialsHalf(X, s.Q, unobserved, reg) };
      return { ...s, t: s.t + 1, Q: ialsHalf(transpose(X), s.P, unobserved, reg) };
    },
    scores: (R, s) => times(s.P, transpose(s.Q)),
    loss(R, s, { unobserved, reg }) {
      const S = times(s.P, transpose(s.Q));
      const side = (rows, V, other) => sum(rows.map((row, k) =>
        (count(row) + unobserved * other) * dot(V[k], V[k])));
      return sum(entries(R).map(([u, i]) => (1 - S[u][i]) ** 2)) + unobserved * squares(S)
        + reg * (side(R, s.P, R[0].length) + side(transpose(R), s.Q, R.length));
    },
  };

  // ---- stochastic gradient descent, a rating a step: recsys_tutor.mf.sgd_epoch -----------

  const sgd = {
    start: (toy) => ({
      t: 0,
      at: null,
      b_u: Array(toy.R.length).fill(0),
      b_i: Array(toy.R[0].length).fill(0),
      P: toy.start.P,
      Q: toy.start.Q,
    }),
    step(R, s, { learning_rate, reg }) {
      const all = entries(R);
      if (!all.length) return s;
      const [u, i, r] = all[s.t % all.length];
      const e = r - mean(R) - s.b_u[u] - s.b_i[i] - dot(s.P[u], s.Q[i]);
      const moved = (value, slope) => value + learning_rate * (slope - reg * value);
      const change = (list, k, value) => list.map((x, n) => (n === k ? value : x));
      return {
        t: s.t + 1,
        at: [u, i],
        b_u: change(s.b_u, u, moved(s.b_u[u], e)),
        b_i: change(s.b_i, i, moved(s.b_i[i], e)),
        P: change(s.P, u, s.P[u].map((p, f) => moved(p, e * s.Q[i][f]))),
        Q: change(s.Q, i, s.Q[i].map((q, f) => moved(q, e * s.P[u][f]))),
      };
    },
    scores: (R, s) => times(s.P, transpose(s.Q)).map((row, u) =>
      row.map((x, i) => mean(R) + s.b_u[u] + s.b_i[i] + x)),
    loss(R, s, { reg }) {
      const mu = mean(R);
      return 0.5 * sum(entries(R).map(([u, i, r]) => {
        const e = r - mu - s.b_u[u] - s.b_i[i] - dot(s.P[u], s.Q[i]);
        return e * e + reg * (s.b_u[u] ** 2 + s.b_i[i] ** 2 + dot(s.P[u], s.P[u]) + dot(s.Q[i], s.Q[i]));
      }));
    },
    says: (s) => (s.t ? "step on the marked rating" : "biases 0, factors where they start"),
    users: (s) => ({ b_u: s.b_u, ...columns("p", s.P) }),
    items: (s) => ({ b_i: s.b_i, ...columns("q", s.Q) }),
  };

  // ---- expectation–maximization of PLSA: recsys_tutor.plsa.em_step ------------------------

  const em = {
    start: (toy) => ({ t: 0, theta: toy.start.theta, phi: toy.start.phi }),
    step(R, s, { beta }) {
      const theta = s.theta.map((row) => row.map((x) => x ** beta));
      const phi = s.phi.map((row) => row.map((x) => x ** beta));
      const ofUser = zeros(theta.length, phi.length);
      const ofItem = zeros(phi.length, phi[0].length);
      for (const [u, i] of entries(R)) {
        const p = Math.max(sum(phi.map((row, z) => theta[u][z] * row[i])), 1e-300);
        phi.forEach((row, z) => {
          ofUser[u][z] += (theta[u][z] * row[i]) / p;
          ofItem[z][i] += (theta[u][z] * row[i]) / p;
        });
      }
      return {
        t: s.t + 1,
        theta: ofUser.map((row) => row.map((x) => (sum(row) > 0 ? x / sum(row) : 1 / phi.length))),
        phi: ofItem.map((row) => row.map((x) => x / Math.max(sum(row), 1e-300))),
      };
    },
    scores: (R, s) => times(s.theta, s.phi),
    loss(R, s, { beta }) {
      const p = entries(R).map(([u, i]) => sum(s.phi.map((row, z) => (s.theta[u][z] * row[i]) ** beta)));
      return -sum(p.map((x) => Math.log(Math.max(x, 1e-300)))) / beta;
    },
    says: (s) => (s.t ? "E-step and M-step" : "shares where they start"),
    users: (s) => columns("θ", s.theta),
    items: (s) => columns("φ", transpose(s.phi)),
  };

  // ---- Gibbs sampling with a fixed prior: recsys_tutor.gibbs -------------------------------

  // Mulberry32: a 32-bit generator that two lines of any language can repeat.
  function uniform(state) {
    const next = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(next ^ (next >>> 15), next | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return [next, ((x ^ (x >>> 14)) >>> 0) / 4294967296];
  }

  // n standard normal numbers (Box and Muller, the cosine only), and the next state.
  function normals(state, n) {
    const out = [];
    for (let k = 0; k < n; k += 1) {
      const [first, a] = uniform(state);
      const [second, b] = uniform(first);
      out.push(Math.sqrt(-2 * Math.log(1 - a)) * Math.cos(2 * Math.PI * b));
      state = second;
    }
    return [state, out];
  }

  // Draw one number for each row, given the errors e of the rule and its slopes h.
  function drawRows(all, side, e, h, values, z, { alpha, precision }) {
    const out = [...values];
    values.forEach((old, j) => {
      const mine = all.map((_, k) => k).filter((k) => all[k][side] === j);
      const H = sum(mine.map((k) => h[k] * h[k]));
      const B = sum(mine.map((k) => h[k] * e[k]));
      const variance = 1 / (alpha * H + precision);
      out[j] = variance * alpha * (B + old * H) + Math.sqrt(variance) * z[j];
      mine.forEach((k) => { e[k] -= (out[j] - old) * h[k]; });
    });
    return out;
  }

  const gibbs = {
    start: (toy, settings) => ({
      t: 0,
      random: settings.seed,
      w_u: Array(toy.R.length).fill(0),
      w_i: Array(toy.R[0].length).fill(0),
      v_u: toy.start.v_u,
      v_i: toy.start.v_i,
      total: zeros(toy.R.length, toy.R[0].length),
    }),
    step(R, s, settings) {
      const [n, m] = [R.length, R[0].length];
      const all = entries(R);
      const mu = mean(R);
      const [random, z] = normals(s.random, 2 * (n + m));
      const ones = all.map(() => 1);
      const e = all.map(([u, i, r]) => r - mu - s.w_u[u] - s.w_i[i] - s.v_u[u] * s.v_i[i]);
      const w_u = drawRows(all, 0, e, ones, s.w_u, z.slice(0, n), settings);
      const w_i = drawRows(all, 1, e, ones, s.w_i, z.slice(n, n + m), settings);
      const v_u = drawRows(all, 0, e, all.map(([, i]) => s.v_i[i]), s.v_u, z.slice(n + m, 2 * n + m), settings);
      const v_i = drawRows(all, 1, e, all.map(([u]) => v_u[u]), s.v_i, z.slice(2 * n + m), settings);
      const total = s.total.map((row, u) => row.map((x, i) => x + mu + w_u[u] + w_i[i] + v_u[u] * v_i[i]));
      return { t: s.t + 1, random, w_u, w_i, v_u, v_i, total };
    },
    scores: (R, s) => (s.t ? s.total.map((row) => row.map((x) => x / s.t)) : null),
    says: (s) => (s.t ? "sweep: every number drawn once; the cells show the mean of all draws" : "nothing drawn yet"),
    users: (s) => ({ w: s.w_u, v: s.v_u }),
    items: (s) => ({ w: s.w_i, v: s.v_i }),
  };

  const models = { bias, knn, ease, als, ials, sgd, em, gibbs };

  // The unseen items of each user, best first; ties: the lower index.
  function topThree(R, scores) {
    return R.map((row, u) => row.map((_, i) => i).filter((i) => !row[i])
      .sort((a, b) => scores[u][b] - scores[u][a] || a - b).slice(0, 3));
  }

  window.toyModels = { models, topThree, normals };
})();
