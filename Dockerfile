# One image for all processes. The command in compose.yaml selects the process of a container.
FROM python:3.13-slim AS build
WORKDIR /src
COPY constraints.txt ./
RUN python -m venv /app && /app/bin/pip install -q -c constraints.txt --upgrade pip
COPY pyproject.toml README.md LICENSE ./
COPY events events
COPY projections projections
COPY services services
COPY migrations migrations
RUN /app/bin/pip install -q --prefer-binary -c constraints.txt '.[tracing]'

FROM python:3.13-slim
RUN useradd --system --create-home crm
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1
USER crm
WORKDIR /home/crm
ENTRYPOINT ["python", "-m"]
CMD ["services.api"]
