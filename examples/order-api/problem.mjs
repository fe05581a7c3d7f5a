// A refusal as RFC 9457 tells it.

export class Problem extends Error {
    constructor(status, title, detail, { errors, headers } = {}) {
        super(`${status} ${title}: ${detail}`);
        Object.assign(this, { status, title, detail, errors, headers });
    }

    toJSON() {
        const { status, title, detail, errors } = this;
        return { type: 'about:blank', status, title, detail, errors };
    }
}
